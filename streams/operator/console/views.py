"""What the pages show and the JSON API gives: one set of values. Times are milliseconds since the epoch, UTC."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from streams.operator.history.report import NotificationReport

Whose = Literal["nobody", "partner", "us", "unknown"]
PartnerState = Literal["answering", "struggling", "failing", "parked", "idle"]


class Shown(BaseModel):
    """Base of everything that is shown. The suffix `View` tells a class from its namesake; no client sees it."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        model_title_generator=lambda shown: shown.__name__.removesuffix("View"),
    )


class AsOf(Shown):
    """How fresh the answer is."""

    at_ms: int = Field(description="when this was answered")
    caught_up_ms: int = Field(
        description="when all that stood on the topics had been read; 0 before"
    )
    behind: int = Field(description="records that are not read yet")
    rebuilding: bool = Field(
        description="whether the read model is being built; counts are too low"
    )
    percent: int = Field(description="how much of it is built")
    left_ms: int | None = Field(
        description="how long building it takes yet, as far as that can be told"
    )
    fault: str | None = Field(description="why Kafka can't be read now")


class Sentence(Shown):
    """The assessment that stands first."""

    whose: Whose = Field(description="whose turn it is")
    title: str
    text: str


class Tier(Shown):
    """One tier, and what waits there."""

    wait: str
    topic: str
    waiting: int = Field(description="notifications at rest here, parked ones and late ones too")
    parked: int
    due_soon: int = Field(description="of them, due within a minute")
    overdue: int
    next_due_ms: int | None = Field(description="the first due time ahead")
    oldest_overdue_ms: int | None = Field(description="the first due time among the overdue ones")


class PartnerView(Shown):
    """One partner, by what it answered lately."""

    partner_id: str
    state: PartnerState
    since_ms: int | None = Field(
        description="since when it is in this state, as far back as an hour"
    )
    attempts_hour: int
    acknowledged_hour: int = Field(description="answered S")
    answered_hour: int = Field(description="answered S or F: the partner knows")
    took_p50_ms: int | None
    took_p99_ms: int | None
    last_answer: str | None
    last_ms: int | None
    undelivered: int
    overdue: int = Field(description="due, and no worker has attempted them: ours")
    oldest_accepted_ms: int | None = Field(description="of what is not delivered")
    dead_letters: int
    trend: tuple[int | None, ...] = Field(
        description="percent acknowledged, in twelfths of the last hour; null without attempts"
    )


class Outcome(Shown):
    """What a partner answered how often, lately."""

    answer: str
    count: int
    last_ms: int
    order_id: str | None = Field(description="of the last one")


class DestinationView(Shown):
    """A partner's server, by what it answered lately."""

    url_origin: str
    attempts: int
    acknowledged: int
    last_answer: str
    last_ms: int


class Waiting(Shown):
    """A notification that is not at its end."""

    order_id: str
    notification_id: str | None
    partner_id: str | None
    standing: str
    attempts: int
    due_at_ms: int | None
    rests_on: str | None
    answer: str | None
    accepted_at_ms: int | None
    overdue: bool = Field(description="due, and no worker has attempted it: ours")


class PartnerPage(Shown):
    """All about one partner."""

    partner: PartnerView
    whose: Whose = Field(
        description="whose turn it is: what is overdue is ours, whatever the partner answers"
    )
    outcomes: tuple[Outcome, ...]
    destinations: tuple[DestinationView, ...]
    waiting: tuple[Waiting, ...] = Field(description="the first ones, by due time")


class Order(Shown):
    """Everything about an order."""

    order_id: str
    notifications: tuple[NotificationReport, ...]


class Facts(Shown):
    """Every record that was read about an order, as `streams.kafka.format.facts` keeps it."""

    as_of: AsOf
    order_id: str
    oldest_ms: int | None = Field(description="of the first record that was read at all")
    complete: bool = Field(description="whether no batch had to be left out as unreadable")
    facts: tuple[dict[str, JsonValue], ...]


class Figures(Shown):
    """The overview's numbers."""

    delivered_hour: int
    waiting: int
    parked: int
    overdue: int
    arriving: int = Field(description="events that no worker has settled yet")
    dead_letters: int


class Sum(Shown):
    """The reconciliation: accepted = ended + waiting, or something is missing."""

    at_ms: int
    since_ms: int
    accepted: int
    ended: int
    waiting: int
    arriving: int
    difference: int
    missing: tuple[str, ...]


class Overview(Shown):
    """What stands on the first page."""

    as_of: AsOf
    verdict: Sentence
    figures: Figures
    partners: tuple[PartnerView, ...] = Field(description="those that are not answering well")
    sum: Sum | None


class Run(Shown):
    """A replay, and what came of it."""

    run: str
    by: str | None
    why: str | None
    at_ms: int
    put_back: int
    delivered: int
    dead_again: int
    waiting: int
    planned: int | None = None
    going: bool = False


class TopicState(Shown):
    """How far a topic was read."""

    topic: str
    partitions: int
    kept: int
    behind: int


class About(Shown):
    """Whether the console's answers can be relied on."""

    as_of: AsOf
    version: str
    sum: Sum | None
    topics: tuple[TopicState, ...]
    facts: int
    lives: int
    database_bytes: int
    unread_events: int = Field(
        description="that wait for their schema: the registry did not give it"
    )
    left_out: tuple[str, ...] = Field(
        description="TOPIC:PARTITION:OFFSET of batches that can't be read: what stands in them is not known"
    )
    oldest_ms: int | None


class TierList(Shown):
    """All tiers."""

    as_of: AsOf
    verdict: Sentence
    tiers: tuple[Tier, ...]


class WaitingList(Shown):
    """What rests on one tier, by due time."""

    as_of: AsOf
    tier: Tier
    waiting: tuple[Waiting, ...]


class PartnerList(Shown):
    """All partners, those that don't answer first."""

    as_of: AsOf
    partners: tuple[PartnerView, ...]


class OrderRow(Shown):
    """A notification in the list of orders."""

    order_id: str
    notification_id: str | None
    partner_id: str | None
    standing: str
    overdue: bool
    attempts: int
    answer: str | None
    since_ms: int = Field(description="when it came to stand as it does")
    due_at_ms: int | None


class OrderList(Shown):
    """Orders that match, those that changed last first."""

    as_of: AsOf
    orders: tuple[OrderRow, ...]
    more: bool = Field(description="whether others follow")


class RunList(Shown):
    """The replays that are known, the newest first."""

    as_of: AsOf
    replays: tuple[Run, ...]


class FaultView(Shown):
    """Why there is no answer to the question."""

    error: str
