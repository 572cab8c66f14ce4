"""The part of Faust's consumer interface that belongs to tables and to Faust's producer, of which there are none."""

from typing import Any

from faust.transport import consumer as base


def _unused(member: str) -> Any:  # noqa: ANN401  # each has its own type in Faust
    def refuse(*_: object, **__: object) -> None:
        message = (
            f"Faust called Consumer.{member}, for which the notifier has no use; expected no table and no producer of"
            " Faust's in the application"
        )
        raise NotImplementedError(message)

    return refuse


class WithoutTables(base.Consumer):
    """Faust's abstract consumer for an application that only has agents."""

    create_topic = _unused("create_topic")
    earliest_offsets = _unused("earliest_offsets")
    highwater = _unused("highwater")
    highwaters = _unused("highwaters")
    key_partition = _unused("key_partition")
    position = _unused("position")
    seek_wait = _unused("seek_wait")
    topic_partitions = _unused("topic_partitions")
    _commit = _unused("_commit")
    _new_topicpartition = _unused("_new_topicpartition")
    _seek = _unused("_seek")
