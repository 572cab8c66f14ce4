"""One consumer group at its coordinator: who is a member, of which generation, and what is committed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streams.kafka.committed_state import CommittedState
from tests.faults.commits import Commit

EMPTY, PREPARING, COMPLETING, STABLE = "empty", "preparing", "completing", "stable"
UNKNOWN_MEMBER, ILLEGAL_GENERATION, REBALANCE, MEMBER_ID_REQUIRED = 25, 22, 27, 79
_FULL_BYTES = 3900

Reply = Callable[[Any], None]


@dataclass(slots=True)
class Member:
    """A member.

    Attributes:
        id: its name.
        session_seconds: how long it may say nothing.
        rebalance_seconds: how long a rebalance waits for it.
        metadata: what it subscribes to, in its own form.
        joining: answers its wish to join, while it waits.
        syncing: answers its wish for its assignment, while it waits.
        assignment: as the leader gave it.
    """

    id: str
    session_seconds: float
    rebalance_seconds: float
    metadata: list[tuple[str, bytes]]
    joining: Reply | None = None
    syncing: Reply | None = None
    assignment: bytes = b""
    expires: Any = None


@dataclass(slots=True)
class Group:
    """One group. Times out what must not wait for ever through `later`.

    Attributes:
        name: the group's.
        later: calls something after some seconds; what it returns can be cancelled.
        first_delay: how long a group without members waits for more of them.
        say: told what happens, for the trace.
    """

    name: str
    later: Callable[..., Any]
    first_delay: float
    say: Callable[[str], None]
    state: str = EMPTY
    generation: int = 0
    leader: str = ""
    protocol: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    committed: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    history: dict[tuple[str, int], list[Commit]] = field(default_factory=dict)
    rebalances: list[int] = field(default_factory=list)
    now_ms: Callable[[], int] = lambda: 0
    on_members: Callable[["Group"], None] = lambda _: None
    _numbers: int = 0
    _deadline: Any = None

    # --- members ----------------------------------------------------------------------------------

    def join(
        self,
        member_id: str,
        session: float,
        rebalance: float,
        metadata: list[tuple[str, bytes]],
        reply: Reply,
    ) -> None:
        """Take a wish to join; it is answered when the new generation begins, at once where none has to."""
        if not member_id:
            self._numbers += 1
            reply((MEMBER_ID_REQUIRED, -1, "", "", f"member-{self._numbers}", []))
            return
        member = self.members.get(member_id)
        if member is None:
            member = self.members[member_id] = Member(member_id, session, rebalance, metadata)
        elif member.metadata == metadata and (
            self.state == COMPLETING or (self.state == STABLE and member_id != self.leader)
        ):
            self._keep(member)
            reply(self._joined(member))  # nothing has changed for the group: its generation goes on
            return
        member.metadata, member.joining = metadata, reply
        self._keep(member)
        if self.state != PREPARING:
            self._prepare(f"{member_id} joins")
        self._all_joined()

    def rebalance(self, why: str) -> None:
        """Begin a rebalance, as a member that comes or goes makes it."""
        if self.state in {STABLE, COMPLETING} and self.members:
            self._prepare(why)

    def _prepare(self, why: str) -> None:
        self.say(f"group {self.name}: rebalance begins: {why}")
        was_empty = self.state == EMPTY
        self.rebalances.append(self.now_ms())
        for member in self.members.values():
            if member.syncing is not None:
                syncing, member.syncing = member.syncing, None
                syncing((REBALANCE, b""))
        self.state = PREPARING
        if self._deadline is not None:
            self._deadline.cancel()
        longest = max(member.rebalance_seconds for member in self.members.values())
        self._deadline = self.later(
            self.first_delay if was_empty else longest, self._late_ones_are_out
        )

    def _late_ones_are_out(self) -> None:
        self._deadline = None
        for member in [m for m in self.members.values() if m.joining is None]:
            self._remove(member.id, "did not join in time")
        self._begin()

    def _all_joined(self) -> None:
        waits = self.generation == 0 and self.first_delay > 0
        if not waits and all(m.joining is not None for m in self.members.values()):
            self._begin()

    def _begin(self) -> None:
        if self.state != PREPARING:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if not self.members:
            self.state = EMPTY
            return
        self.generation += 1
        self.state = COMPLETING
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        self.protocol = self.members[self.leader].metadata[0][0]
        self.say(f"group {self.name}: generation {self.generation}, {sorted(self.members)}")
        self.rebalances.append(self.now_ms())
        self.on_members(self)
        for member in list(self.members.values()):
            joining, member.joining = member.joining, None
            member.assignment = b""
            self._keep(member)
            if joining is not None:
                joining(self._joined(member))

    def _joined(self, member: Member) -> tuple[Any, ...]:
        everybody = [(m.id, None, m.metadata[0][1]) for m in self.members.values()]
        others = everybody if member.id == self.leader else []
        return 0, self.generation, self.protocol, self.leader, member.id, others

    def sync(
        self, member_id: str, generation: int, shares: list[tuple[str, bytes]], reply: Reply
    ) -> None:
        """Take the leader's shares, or a member's wish for its own."""
        member = self.members.get(member_id)
        if (error := self._stranger(member, generation)) or member is None:
            reply((error, b""))
        elif self.state == PREPARING:
            reply((REBALANCE, b""))
        elif self.state == STABLE:
            self._keep(member)
            reply((0, member.assignment))
        else:
            self._keep(member)
            member.syncing = reply
            if member_id == self.leader:
                for name, share in shares:
                    if name in self.members:
                        self.members[name].assignment = share
                self.state = STABLE
                for one in self.members.values():
                    if one.syncing is not None:
                        syncing, one.syncing = one.syncing, None
                        syncing((0, one.assignment))

    def heartbeat(self, member_id: str, generation: int) -> int:
        """Take a sign of life; return an error or 0."""
        member = self.members.get(member_id)
        if error := self._stranger(member, generation):
            return error
        assert member is not None
        self._keep(member)
        return REBALANCE if self.state == PREPARING else 0

    def leave(self, member_id: str) -> int:
        """Let a member go."""
        if member_id not in self.members:
            return UNKNOWN_MEMBER
        self._remove(member_id, "leaves")
        return 0

    def expel(self, member_id: str) -> None:
        """Take a member for dead."""
        if member_id in self.members:
            self._remove(member_id, "its session has expired")

    def move(self, error: int, seconds: float) -> None:
        """Go to another coordinator: it answers nobody who waits for the last one, and counts sessions anew, after so many seconds.

        Args:
            error: what those are told who wait.
            seconds: for which it can't be asked.
        """
        for member in self.members.values():
            joining, syncing, member.joining, member.syncing = (
                member.joining,
                member.syncing,
                None,
                None,
            )
            if joining is not None:
                joining((error, -1, "", "", member.id, []))
            if syncing is not None:
                syncing((error, b""))
            self._keep(member, seconds)

    def _remove(self, member_id: str, why: str) -> None:
        member = self.members.pop(member_id)
        self.say(f"group {self.name}: {member_id} is out: {why}")
        self.on_members(self)
        if member.expires is not None:
            member.expires.cancel()
        for reply in (member.joining, member.syncing):
            if reply is member.joining and reply is not None:
                reply((UNKNOWN_MEMBER, -1, "", "", member_id, []))
            elif reply is not None:
                reply((UNKNOWN_MEMBER, b""))
        if not self.members:
            self.generation += 1
            self.state = EMPTY
            self.rebalances.append(self.now_ms())
        elif self.state in {STABLE, COMPLETING}:
            self._prepare(f"{member_id} is gone")
            self._all_joined()
        elif self.state == PREPARING:
            self._all_joined()

    def _stranger(self, member: Member | None, generation: int) -> int:
        if member is None:
            return UNKNOWN_MEMBER
        return ILLEGAL_GENERATION if generation != self.generation else 0

    def _keep(self, member: Member, more_seconds: float = 0.0) -> None:
        if member.expires is not None:
            member.expires.cancel()
        member.expires = self.later(member.session_seconds + more_seconds, self._expire, member)

    def _expire(self, member: Member) -> None:
        if self.members.get(member.id) is not member:
            return
        if member.joining is not None or member.syncing is not None:
            self._keep(member)  # it waits for us
        else:
            self._remove(member.id, "its session has expired")

    # --- offsets ----------------------------------------------------------------------------------

    def may_commit(self, member_id: str, generation: int) -> int:
        """Return why a commit is refused, or 0."""
        if generation < 0 and not self.members:
            return 0
        if error := self._stranger(self.members.get(member_id), generation):
            return error
        self._keep(self.members[member_id])
        return REBALANCE if self.state == COMPLETING else 0

    def commit(self, tag: tuple[str, int], offset: int, metadata: str) -> None:
        """Keep an offset."""
        self.committed[tag] = (offset, metadata)
        progress, full = CommittedState.read(offset, metadata), len(metadata) > _FULL_BYTES
        self.history.setdefault(tag, []).append(Commit(self.now_ms(), progress, full))

    def forget(self, topic: str) -> None:
        """Forget the offsets of a topic that was deleted."""
        for tag in [tag for tag in self.committed if tag[0] == topic]:
            del self.committed[tag]
