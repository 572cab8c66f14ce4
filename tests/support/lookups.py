"""Look-ups of names that a test answers."""

from collections.abc import Callable


def answers_in_turn(*answers: list[str] | OSError) -> Callable[[str], list[str]]:
    """Return a look-up whose first call has the first answer, and so on; an error is raised."""
    left = iter(answers)

    def lookup(_host: str) -> list[str]:
        answer = next(left)
        if isinstance(answer, OSError):
            raise answer
        return answer

    return lookup
