"""What is checked before a worker consumes anything, and by `notifier check`: the brokers and the topics."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.kafka.admin.diagnosis import accepts_only, knock
from streams.kafka.admin.offsets import seed_offsets, unread_history
from streams.kafka.admin.rights import Role, missing_rights, rights_of
from streams.kafka.admin.unknown_tiers import UnknownTier, unknown_tiers
from streams.kafka.connection import Connection, connection_of
from streams.kafka.topics import (
    TopicNames,
    TopicSpec,
    broker_count,
    compare_topics,
    create_topics,
    existing_topics,
    most_copies,
    take_writes,
    topic_specs,
)
from streams.notification.profiles import TIERS
from streams.settings import Settings

_MOST_COPIES = 3
_SEEN_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.05
_READER_SECONDS = 15.0
_READER_LOOK_SECONDS = 0.5
_COORDINATOR_TRIES = 50
_BETWEEN_TRIES_SECONDS = 0.2
_NO_ANSWER = (KafkaError, OSError, TimeoutError)


class Unusable(Exception):  # noqa: N818  # what the brokers and topics are
    """The brokers or the topics are not as they must be: every fault, one sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class Unreachable(Unusable):
    """No broker answers now; nothing says that none will."""


class Brokers:
    """An open connection for administration.

    Use as an async context manager.

    Attributes:
        topic_warnings: what the last look for faults found of our topics that keeps no worker from starting.

    Raises:
        Unusable: the brokers will not have us as we are.
        Unreachable: no broker answers now.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Connection = connection_of(settings)
        self._admin: AIOKafkaAdminClient | None = None
        self.topic_warnings: list[str] = []

    async def __aenter__(self) -> Self:
        client_id = f"{self._settings.group_id}-admin"
        try:
            options = self._connection.options(client_id)
        except OSError as error:
            message = (
                "NOTIFIER_KAFKA_CA_FILE, NOTIFIER_KAFKA_CERTIFICATE_FILE, NOTIFIER_KAFKA_KEY_FILE,"
                f" NOTIFIER_KAFKA_PASSWORD_FILE: one can't be used: {error.strerror or error};"
                " expected readable PEM files, the key its certificate's own and without a passphrase"
            )
            raise Unusable([message]) from error
        try:
            self._admin = AIOKafkaAdminClient(**options, request_timeout_ms=20_000)
            await self._admin.start()
        except (KafkaError, OSError) as error:
            if self._admin is not None:
                await self._admin.close()
            kept_out = await knock(self._connection, client_id) or accepts_only(self._connection)
            kind = Unusable if kept_out.refused else Unreachable
            raise kind([kept_out.why]) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.admin.close()

    @property
    def admin(self) -> AIOKafkaAdminClient:
        """The admin client."""
        assert self._admin is not None  # noqa: S101  # entered
        return self._admin

    async def specs(self) -> tuple[TopicSpec, ...]:
        """Return what our topics must be like."""
        settings, names = self._settings, TopicNames(self._settings.topic_prefix)
        copies = settings.topic_replication
        if copies is None:
            # A broker that is down is not counted; that topics have a copy on it shows that it belongs there.
            ours = (names.replay, names.dead_letter, names.attempts)
            seen = max(await broker_count(self.admin), await most_copies(self.admin, ours))
            copies = min(_MOST_COPIES, seen)
        return topic_specs(names, TIERS, settings.topic_partitions, copies)

    async def create(self) -> list[str]:
        """Create what is missing of our topics; return the names."""
        try:
            created = await create_topics(self.admin, await self.specs())
            # Metadata comes a little later than the broker's word that they are made.
            async with asyncio.timeout(_SEEN_SECONDS):
                while not await existing_topics(self.admin) >= set(created):  # noqa: ASYNC110  # Kafka tells nobody
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except KafkaError as error:
            raise Unusable([str(error)]) from error
        except TimeoutError as error:
            message = f"the brokers do not show the topics they made within {_SEEN_SECONDS:g} s; check again later"
            raise Unusable([message]) from error
        return created

    async def faults(self, role: Role | None = None) -> list[str]:
        """Return everything that keeps a worker from starting, one sentence each.

        Args:
            role: whose rights to look at; the worker's by default.
        """
        try:
            return await self._faults(role or self._settings.role)
        except KafkaError as error:
            return [f"the topics can't be read: {error}"]

    async def _faults(self, role: Role) -> list[str]:
        denied = await self._denied(role)
        if denied:  # what we may not see can't be judged
            return denied
        faults, self.topic_warnings = await compare_topics(self.admin, await self.specs())
        have = await existing_topics(self.admin)
        faults += [
            f"{topic}: does not exist, expected the source topic that payment core writes (NOTIFIER_SOURCE_TOPICS)"
            for topic in self._settings.source_topics
            if topic not in have
        ]
        return faults

    async def _denied(self, role: Role) -> list[str]:
        settings = self._settings
        rights = rights_of(
            role,
            TopicNames(settings.topic_prefix),
            TIERS,
            settings.source_topics,
            settings.group_id,
        )
        who = f"user {settings.kafka_user}" if settings.kafka_user else "the notifier's principal"
        return [
            f"rights: {who} may not {right}, expected an access rule that allows it (role {role})"
            for right in await missing_rights(self.admin, rights)
        ]

    async def unknown_tiers(self) -> list[UnknownTier]:
        """Return the retry topics that this version does not know.

        Raises:
            KafkaError: the brokers could not be asked.
        """
        settings = self._settings
        return await unknown_tiers(
            self._connection,
            self.admin,
            TopicNames(settings.topic_prefix),
            TIERS,
            settings.retry_group_id,
        )

    async def unknown_tier_faults(self) -> list[str]:
        """Return what is wrong with retry topics that this version does not know, one sentence each."""
        try:
            return [str(tier) for tier in await self.unknown_tiers()]
        except KafkaError as error:
            return [f"the retry topics can't be read: {error}"]

    async def _stranded(self) -> list[str]:
        """Return the faults of those on which notifications wait for nobody.

        In the middle of a rollout a worker that reads them may be about to come back, and a group that rebalances
        tells nothing: it is looked at again for a while before anything is said.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _READER_SECONDS
        while True:
            tiers = await self.unknown_tiers()
            if not any(tier.unsettled and not tier.is_read for tier in tiers):
                return []
            if loop.time() >= until:
                return [str(tier) for tier in tiers if tier.is_stranded]
            await asyncio.sleep(_READER_LOOK_SECONDS)

    async def start_faults(self) -> list[str]:
        """Return the faults that keep this worker from starting.

        Raises:
            KafkaError: the brokers can't be asked.
        """
        if faults := await self._faults(self._settings.role):
            mend = "create or alter the topics (`notifier topics create` makes the missing ones)"
            return [*faults, mend]
        return await self._stranded()

    async def warnings(self) -> list[str]:
        """Return what is not as it should be and what may surprise at the first start.

        Ask only after a look for faults, and when there are none.
        """
        return [*self.topic_warnings, *await self._history_warnings()]

    async def _history_warnings(self) -> list[str]:
        settings = self._settings
        if settings.start_from != "earliest" or settings.role == "retry":
            return []
        try:
            count = await unread_history(
                self._connection, settings.group_id, settings.source_topics, self._ours
            )
        except KafkaError as error:
            return [f"the offsets of group {settings.group_id} can't be read: {error}"]
        if not count:
            return []
        message = (
            f"group {settings.group_id} has no offsets yet: a worker will notify up to {count} records that stand in"
            f" {', '.join(settings.source_topics)} already (markers of transactions are counted too); set NOTIFIER_START_FROM to latest or a time if that is"
            " not wanted"
        )
        return [message]

    async def seed(self) -> int:
        """Write down where the source topics' group begins; return for how many partitions."""
        settings = self._settings
        if settings.role == "retry":
            return 0
        return await seed_offsets(
            self._connection,
            settings.group_id,
            settings.source_topics,
            self._ours,
            settings.start_from,
        )

    async def committed_offsets(self, group_id: str) -> Mapping[Any, Any]:
        """Return a group's committed offsets with their metadata, by topic and partition.

        A coordinator that moves, or is made with the cluster's first group, is waited for.

        Raises:
            KafkaError: the group's coordinator refused, or was not there for ten seconds.
        """
        tries = 0
        while True:
            try:
                offsets: Mapping[Any, Any] = await self.admin.list_consumer_group_offsets(group_id)
            except KafkaError as error:
                tries += 1
                if not error.retriable or tries == _COORDINATOR_TRIES:
                    raise
                await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
            else:
                return offsets

    @property
    def _ours(self) -> tuple[str]:
        """The topic of ours that the source topics' group reads besides them."""
        return (TopicNames(self._settings.topic_prefix).replay,)


@dataclass(frozen=True, slots=True)
class Answers:
    """What brokers say on a connection of its own about what seems to be dead.

    Attributes:
        broker: whether one answers.
        silent_groups: whose coordinators are away, or have not loaded them yet: a member may well be out of them, and no
            new one would get in.
        take_writes: whether what waits to be written could be; not where a partition has no leader, or too few copies in
            sync: a new process would wait as well.
    """

    broker: bool
    silent_groups: frozenset[str] = frozenset()
    take_writes: bool = True


async def ask_brokers(
    connection: Connection,
    client_id: str,
    groups: Iterable[str] = (),
    late_topics: Callable[[], Collection[str]] = frozenset,
) -> Answers:
    """Ask brokers what may explain that a worker does nothing.

    Args:
        connection: the brokers.
        client_id: as their logs shall show it.
        groups: whose coordinators are asked.
        late_topics: returns the topics to which writes wait that should have been taken long since.
    """
    try:
        options = connection.options(client_id)
    except OSError:  # a file of the settings can't be read now
        return Answers(broker=False)
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=5_000)
    try:
        await admin.start()
        await broker_count(admin)
        silent = frozenset([group for group in groups if not await _coordinates(admin, group)])
        late = sorted(late_topics())
        return Answers(
            broker=True, silent_groups=silent, take_writes=not late or await _takes(admin, late)
        )
    except _NO_ANSWER:
        return Answers(broker=False)
    finally:
        await admin.close()


async def _coordinates(admin: AIOKafkaAdminClient, group: str) -> bool:
    try:
        coordinator = await admin.find_coordinator(group)
        await admin.list_consumer_group_offsets(group, coordinator)
    except GroupAuthorizationFailedError:
        return True  # it answers
    except _NO_ANSWER:
        return False
    return True


async def _takes(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
    try:
        return await take_writes(admin, topics)
    except _NO_ANSWER:
        return False


async def look_for_unknown_tiers(settings: Settings) -> list[UnknownTier] | None:
    """Return the retry topics that this version does not know, or None where the brokers could not be asked."""
    try:
        async with Brokers(settings) as brokers:
            return await brokers.unknown_tiers()
    except (KafkaError, OSError, TimeoutError, Unusable):
        return None
