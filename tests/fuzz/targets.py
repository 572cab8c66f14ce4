"""What is fed with broken input, and what must hold whatever it was.

Every case is a sequence of bytes, so that a find can be kept as a file. `try_one` raises when something is wrong.
"""

from collections.abc import Sequence
from random import Random  # noqa: TID251  # passed in, seeded
from typing import Protocol

from tests.fuzz.mutator import Mutator


class Target(Protocol):
    """One kind of input."""

    async def seeds(self) -> list[bytes]:
        """Return good inputs."""

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> Mutator:
        """Return what makes variants of them."""

    async def try_one(self, case: bytes) -> None:
        """Feed one case."""

    async def close(self) -> None:
        """Let go of what it holds."""


class Bytes:
    """A kind whose variants are made byte by byte."""

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> Mutator:
        """Return what makes variants."""
        return Mutator(rng, seeds)
