"""Which dead letters a worker is sure to refuse again, with the partners file and the event mapping that are here. Sends nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from schemas.notify_url import NotifyUrl, check_notify_url
from streams.kafka.format.decoding import MalformedRecord, NewerRecord, decode_notification
from streams.kafka.format.event_headers import as_it_came, put_back_event
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping, PassedOver, SchemaNeeded, SourceRecord
from streams.mapping.registry import SchemaUnavailable
from streams.notification.intake import ReadEvent, Refused, prepare, read_event, read_members
from streams.notification.notification import Notification
from streams.operator.dead_letters.replay_record import ReplayAudit, replay_record
from streams.partners import Partner
from streams.settings import Settings
from streams.worker.oversized import fits

_NOBODY = ReplayAudit("dry-run", "nobody", "nothing is written")


class Refusal(NamedTuple):
    """Why a dead letter would come back at once: a class for counting, and the sentence."""

    kind: str
    why: str


@dataclass(slots=True)
class RefusalJudge:
    """Judges dead letters as a worker would that got them from the replay topic.

    Attributes:
        names: our topics.
        partner_of: the partners file in force.
        allow_http: whether plain http notify URLs will do.
        mapping: of events that are not of our own form.
        rebuild: whether bodies of notifications will be made anew, so that those that are kept don't matter.
    """

    names: TopicNames
    partner_of: Callable[[str], Partner | None]
    allow_http: bool
    mapping: EventMapping | None = None
    rebuild: bool = False
    _schemas_can_be_had: bool = field(default=True, init=False)

    @classmethod
    def of(
        cls,
        settings: Settings,
        partner_of: Callable[[str], Partner | None],
        mapping: EventMapping | None,
        *,
        rebuild: bool,
    ) -> "RefusalJudge":
        """Return the judge that settings, a partners file and an event mapping make."""
        names = TopicNames(settings.topic_prefix)
        return cls(names, partner_of, settings.allow_http, mapping, rebuild)

    def refusal(self, dead: Fact, record: RawRecord) -> Refusal | None:
        """Return why a worker refuses a dead letter, or None where that is not sure."""
        if dead.partner_id is not None and self.partner_of(dead.partner_id) is None:
            why = "the partners file has no such entry; it would come back at once"
            return Refusal("unknown partner", why)
        if dead.holds_event:
            why_not = self._of_event(dead, record)
        elif self.rebuild or dead.attempt is None:
            why_not = None  # its event is not read yet; what has no attempt is left as unreadable
        else:
            why_not = self._of_notification(dead, record)
        if why_not is None:
            return None
        return Refusal("refused again", f"it would come back at once: {why_not}")

    def _of_event(self, dead: Fact, record: RawRecord) -> str | None:
        event = self._event(dead, record)
        if event is None or isinstance(event, Refused):
            return None if event is None else f"{event.reason.value}: {event.detail}"
        partner = self.partner_of(event.event.partner_id)
        prepared = prepare(
            event,
            partner.terms if partner else None,
            accepted_at_ms=record.timestamp_ms,
            origin=put_back_event(record).origin,
        )
        if isinstance(prepared, Refused):
            return f"{prepared.reason.value}: {prepared.detail}"
        return self._of_destination(prepared.notification)

    def _event(self, dead: Fact, record: RawRecord) -> ReadEvent | Refused | None:
        """Read an event as a worker does; None where that can't be done here."""
        topic = _topic(dead.origin)
        if self.mapping is None or topic not in self.mapping.topics:
            return read_event(record.value, allow_http=self.allow_http)
        if not self._schemas_can_be_had:
            return None
        key, headers = as_it_came(record)
        source = SourceRecord(topic, key, record.value, headers)
        try:
            mapped = self.mapping.read_waiting(source)
        except (SchemaNeeded, SchemaUnavailable):
            self._schemas_can_be_had = False  # or each would be waited for
            return None
        if isinstance(mapped, PassedOver):
            return None
        return read_members(mapped.members, dict(mapped.faults), allow_http=self.allow_http)

    def _of_notification(self, dead: Fact, record: RawRecord) -> str | None:
        put_back = replay_record(self.names, record, dead, _NOBODY, record.timestamp_ms)
        read = RawRecord(put_back.topic, 0, 0, put_back.key, put_back.value, put_back.headers)
        check_url = partial(check_notify_url, allow_http=self.allow_http)
        try:
            notification = decode_notification(read, latest_due_ms=None, check_url=check_url)
        except (MalformedRecord, NewerRecord) as fault:
            return f"no worker of this version can read it: {fault}"
        return self._of_destination(notification)

    def _of_destination(self, notification: Notification) -> str | None:
        partner = self.partner_of(notification.partner_id)
        if partner is None:
            return None
        has_url = notification.notify_url is not None
        faults = partner.terms.faults_of(notification.profile.name, has_url=has_url)
        if faults:
            return "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        url, hosts = notification.notify_url or partner.terms.notify_url, partner.allowed_hosts
        if url is not None and hosts is not None and not NotifyUrl.of(url).is_among(hosts):
            return "the host of its notify URL is not one of the partner's allowed_hosts"
        return None if fits(notification) else "too large to be kept for a retry"


def _topic(origin: str | None) -> str:
    try:
        return RecordId.parse(origin or "").topic
    except ValueError:
        return ""
