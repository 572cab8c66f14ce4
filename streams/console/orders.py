"""One order: what became of each of its notifications, in the words of `notifier why`."""

from streams.console.model import Facts, Moment, Notification, Order, Spent, Tone
from streams.console.scene import Scene
from streams.history.life import Life, lives_of
from streams.history.report import timeline
from streams.history.timeline import Entry
from streams.history.verdict import Verdict, verdict_on
from streams.history.words import duration

_LIKE = 5


def order(scene: Scene, order_id: str) -> Order | None:
    """Return all about an order, or None where nothing that was read names it."""
    lives = lives_of(scene.store.facts_of(order_id))
    if not lives:
        return None
    return Order(
        order_id=order_id,
        notifications=tuple(_notification(scene, life) for life in reversed(lives)),
    )


def facts(scene: Scene, order_id: str) -> Facts | None:
    """Return what was read of an order, or None where nothing that was read names it: `notifier why` asks for it."""
    found = scene.store.facts_of(order_id)
    if not found:
        return None
    return Facts(
        as_of=scene.as_of(),
        order_id=order_id,
        oldest_ms=oldest_known_ms(scene),
        facts=tuple(fact.to_dict() for fact in found),
    )


def order_of_notification(scene: Scene, notification_id: str) -> str | None:
    """Return the order that a notification id belongs to: people search with what they have."""
    found = scene.store.row(
        "SELECT order_id FROM lives WHERE notification_id = ?", (notification_id,)
    )
    return None if found is None else str(found[0])


def like(scene: Scene, text: str) -> tuple[str, ...]:
    """Return the first known order ids that begin like this one: of a mistyped or cut id the start is right."""
    for length in (len(text), len(text) * 3 // 4, len(text) // 2):
        start = text[:length]
        if len(start) < _LIKE:
            break
        found = scene.store.rows(
            "SELECT DISTINCT order_id FROM lives WHERE order_id >= ? AND order_id < ? LIMIT ?",
            (start, start + "\U0010ffff", _LIKE),
        )
        if found:
            return tuple(row[0] for row in found)
    return ()


def oldest_known_ms(scene: Scene) -> int | None:
    """Return when the first record that was read was written."""
    found = scene.store.row(
        "SELECT min(at_ms) FROM (SELECT at_ms FROM facts AS f JOIN positions AS p USING (topic, partition)"
        " WHERE f.offset = (SELECT min(offset) FROM facts WHERE topic = p.topic AND partition = p.partition))"
    )
    return None if found is None or found[0] is None else int(found[0])


def _notification(scene: Scene, life: Life) -> Notification:
    now = scene.now_ms()
    verdict = verdict_on(life, now, scene.limits)
    others = 0
    if life.partner_id is not None and verdict.state in {"waiting", "due", "parked"}:
        (others,) = scene.store.row(
            "SELECT count(*) - 1 FROM lives WHERE partner_id = ? AND NOT ended", (life.partner_id,)
        )
    spent = verdict.spent
    return Notification(
        notification_id=life.notification_id,
        profile=life.profile,
        partner_id=life.partner_id,
        url_origin=life.url_origin,
        result=life.result,
        state=verdict.state,
        told=verdict.told,
        turn=verdict.turn,
        overdue=verdict.overdue,
        sentence=verdict.sentence,
        next=verdict.next,
        attempts=life.attempts,
        attempts_in_all=life.attempts_in_all,
        parks=life.parks,
        replays=life.replays,
        due_at_ms=life.due_at_ms,
        gives_up_at_ms=verdict.gives_up_at_ms,
        rests=str(life.rests) if life.rests is not None else life.rests_on,
        letter=str(life.letter) if life.letter is not None else None,
        spent=Spent(
            total=spent.total,
            agreed=spent.agreed,
            partner=spent.partner,
            us=spent.us,
            parked=spent.parked,
            upstream=spent.upstream,
            set_aside=spent.set_aside,
        ),
        others_waiting=max(0, others),
        timeline=_timeline(life, verdict, now),
    )


def _timeline(life: Life, verdict: Verdict, now_ms: int) -> tuple[Moment, ...]:
    """Return the rows of `notifier why`, each with its kind and tone."""
    rows = timeline(life, verdict, now_ms)
    tones: list[tuple[str, Tone]] = [(entry.kind, _tone(entry)) for entry in life.entries]
    tones += [("next", "next")] * (len(rows) - len(tones))
    moments: list[Moment] = []
    parks = 1
    for row, (kind, tone) in zip(rows, tones, strict=True):
        again = kind == "park" and bool(moments) and moments[-1].kind == "park"
        parks = parks + 1 if again else 1
        moment = Moment(
            at_ms=row.at_ms,
            kind=kind,
            what=row.what,
            answer=row.answer,
            late=row.late,
            then=row.then,
            tone=tone,
        )
        if again:  # a silent destination is looked at every second: one line for all of that
            first = moments.pop()
            lasted = duration(row.at_ms - first.at_ms)
            what = f"parked {parks} times within {lasted}, no attempt used"
            moment = moment.model_copy(update={"at_ms": first.at_ms, "what": what})
        moments.append(moment)
    return tuple(moments)


def _tone(entry: Entry) -> Tone:
    said = entry.record
    match entry.kind:
        case "attempt" if said is not None:
            if said.decision == "delivered":
                return "good"
            return "bad" if said.result_status == "F" and said.failure is None else "warn"
        case "park" | "replay":
            return "us"
        case "dead-letter":
            return "bad"
        case _:
            return ""


def is_known(scene: Scene, order_id: str) -> bool:
    """Tell whether anything that was read names this order."""
    return scene.store.row("SELECT 1 FROM facts WHERE order_id = ?", (order_id,)) is not None
