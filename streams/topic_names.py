"""The names of the topics that the notifier owns (contract, section 4)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.notification.ladder import Wait

_LONGEST_NAME: Final = 249  # Kafka's limit


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The names under a prefix."""

    prefix: str

    @property
    def tiers(self) -> str:
        """What the names of all retry topics begin with."""
        return f"{self.prefix}-retry-"

    def tier(self, wait: "Wait") -> str:
        """Return the retry topic of a wait."""
        return f"{self.tiers}{wait.label}"

    @property
    def replay(self) -> str:
        """The topic of what an operator puts back."""
        return f"{self.prefix}-replay"

    @property
    def dead_letter(self) -> str:
        """The topic of what ended without being delivered."""
        return f"{self.prefix}-dead-letter"

    @property
    def attempts(self) -> str:
        """One record for each attempt and each decision."""
        return f"{self.prefix}-attempts"

    def is_ours(self, topic: str) -> bool:
        """Tell whether a topic is one of these; a retry topic of any wait is, also of one that this version doesn't know."""
        return topic in {self.replay, self.dead_letter, self.attempts} or topic.startswith(
            self.tiers
        )


LONGEST_PREFIX: Final = _LONGEST_NAME - len(TopicNames("").dead_letter)
"""Characters that a prefix may have: the name of the dead-letter topic is the longest."""
