"""Topics from look to look."""

import pytest

from streams.kafka.admin.topic_ids import Topic, Topics
from streams.kafka.consumer.topic_watch import TopicWatch

A, B, C = (letter * 22 + "@00000001" for letter in "ABC")


def look(**there):
    """Return a look: ids by topic, each topic with two partitions; None for one that is missing."""
    return Topics(
        {name: Topic(topic_id, 2) for name, topic_id in there.items() if topic_id is not None},
        frozenset(name for name, topic_id in there.items() if topic_id is None),
    )


def test_an_id_is_learned_and_a_new_one_is_another_topic():
    """It stays so until somebody has taken note."""
    watch = TopicWatch()
    assert watch.take(look(t=A)) == ["t"]
    assert (watch.id("t"), watch.partitions("t"), watch.changed) == (A, 2, set())
    assert watch.take(look(t=B)) == []
    assert (watch.id("t"), watch.changed) == (B, {"t"})
    watch.take(look(t=B))
    assert watch.changed == {"t"}


def test_a_broker_that_was_told_late_changes_nothing():
    """It still speaks of the topic that was: an id that was replaced does not come back."""
    watch = TopicWatch()
    for topic_id in (A, B):
        watch.take(look(t=topic_id))
    watch.changed.clear()
    watch.take(look(t=A))
    assert (watch.id("t"), watch.changed) == (B, set())


@pytest.mark.parametrize("between", [None, B, ""])
def test_a_former_id_comes_back_after_many_looks_in_a_row(between):
    """Then no broker is late. One that says otherwise in between, or that there is none, makes it begin anew or changes nothing."""
    watch = TopicWatch()
    for topic_id in (A, C, B):
        watch.take(look(t=topic_id))
    watch.changed.clear()
    seen = [C] * 19 + [between] + [C] * 20
    back = []
    for number, topic_id in enumerate(seen):
        watch.take(look(t=topic_id))
        if watch.count_former(look(t=topic_id)):
            back.append(number)
    assert back == [20 if between is None else 39]
    assert (watch.id("t"), watch.changed) == (C, set())
    watch.take(look(t=B))
    assert (watch.id("t"), watch.changed) == (C, set())


def test_an_id_of_commits_that_the_brokers_do_not_tell_is_a_former_one():
    """A broker that was told late may speak of it yet; where all do, its log was not read under it before."""
    watch = TopicWatch()
    watch.take(look(t=B))
    watch.note_committed(A)
    seen = look(t=A)
    for _ in range(19):
        assert watch.take(seen) == []
        assert watch.count_former(seen) == {}
    assert watch.count_former(seen) == {"t": False}
    assert (watch.id("t"), watch.changed) == (A, set())
    backs = [watch.count_former(look(t=B)) for _ in range(20)]
    assert backs == [{}] * 19 + [{"t": True}]


def test_a_broker_that_gives_no_id_is_not_asked_twice():
    """Nothing is learned from it, and nothing forgotten."""
    watch = TopicWatch()
    assert watch.take(look(t="")) == []
    watch.take(look(t=A))
    watch.take(look(t=""))
    assert (watch.id("t"), watch.changed) == (A, set())


def test_a_topic_is_missing_when_three_looks_have_not_found_it():
    """The first ones may have met a broker that was told late; what is there again is not missing any more."""
    watch = TopicWatch()
    watch.take(look(t=A))
    certain = [list(watch.count_missing(["t", "u"], look(t=None, u=A))) for _ in range(4)]
    assert certain == [[], [], ["t"], []]
    assert (list(watch.missing), watch.absent) == (["t"], frozenset({"t"}))
    watch.take(look(t=None))
    assert watch.partitions("t") == 0
    watch.count_missing(["t", "u"], look(t=B, u=A))
    assert (list(watch.missing), watch.absent) == ([], frozenset())
    watch.take(look(t=B))
    assert watch.changed == {"t"}


def test_what_a_broker_does_not_speak_about_is_not_missing():
    """It may lack the right to say."""
    watch = TopicWatch()
    for _ in range(5):
        watch.count_missing(["t"], Topics())
    assert not watch.absent
