"""Whether the console can be trusted: how far each topic is read, and the sum."""

from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import About, TopicState


def about(read_model: ReadModel, version: str) -> About:
    """Return what there is to say of the console itself."""
    store = read_model.store
    positions = store.positions()
    by_topic: dict[str, list[int]] = {}
    for (topic, partition), edge in sorted(read_model.ingest.edges.items()):
        behind = max(0, edge.end - max(positions.get((topic, partition), 0), edge.begin))
        shown = by_topic.setdefault(topic, [0, 0, 0])
        shown[0] += 1
        shown[1] += edge.end - edge.begin
        shown[2] += behind
    return About(
        as_of=read_model.as_of(),
        version=version,
        sum=read_model.sum(),
        topics=tuple(
            TopicState(topic=topic, partitions=shown[0], kept=shown[1], behind=shown[2])
            for topic, shown in by_topic.items()
        ),
        facts=store.row("SELECT count(*) FROM facts")[0],
        lives=store.row("SELECT count(*) FROM notifications")[0],
        database_bytes=sum(
            part.stat().st_size for part in store.path.parent.glob(f"{store.path.name}*")
        ),
        unread_events=store.unread_events(),
        left_out=tuple(map(str, store.left_out())),
        oldest_ms=read_model.oldest_ms(),
    )
