"""Values: dataclasses of which some are made for every record, without what a frozen one costs at run time."""

from typing import TYPE_CHECKING

__all__ = ["valueclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as valueclass
else:
    from dataclasses import dataclass

    def valueclass(*, frozen: bool, slots: bool) -> object:
        """Make a dataclass that the type checker holds frozen and the interpreter does not.

        A frozen one sets each member by `object.__setattr__`, which takes twice the time of making it. Nobody may set one
        all the same: it is hashed by its members, and mypy refuses it.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)
