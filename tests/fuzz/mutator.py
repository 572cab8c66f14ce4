"""Breaks bytes: the ways in which files and records go wrong, by accident or on purpose."""

from collections.abc import Sequence
from random import Random  # noqa: TID251  # passed in, seeded

PIECES: Sequence[bytes] = (
    *(b"", b"\0", b"\xff", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf"),
    *(b'"', b"'", b"\\", b"\\u0000", b"\\ud800", b"\\udfff", b"\\ud83d\\ude00", b"\\x", b"\r\n", b"\n", b"\t"),
    *(b"{", b"}", b"[", b"]", b":", b",", b"[" * 50, b"[" * 3000, b"{" * 40, b'{"a":' * 40, b"]" * 50, b"[]", b"{}"),
    *(b"null", b"true", b"false", b"NaN", b"-Infinity", b"1e999", b"-0", b"0", b"-1", b"1" * 400, b"1e-400"),
    *(b"9" * 19, b"9223372036854775808", b"4294967296", b"2147483648", b"0x10", b"\xef\xbc\x91", b"1_000"),
    *(b"x" * 65, b"x" * 257, b"x" * 2049, b"x" * 4097, b"x" * 70_000),
    *(b"SUCCESS", b"FAILED", b"CANCELLED", b"S", b"F", b"U", b"mpp-to-ant", b"alipay-to-merchant"),
    *(b"https://", b"http://", b"https://user@", b"127.0.0.1", b"[::1]", b"?", b"#", b"%00", b".."),
    *(b"2026-11-22T10:15:30Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"2026-02-30"),
    *(b"signature=", b"algorithm=none,", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"&a [*a,*a]", b"*a", b"!!python/object:os.system", b"<<: ", b"? ", b"- ", b"---\n", b"...\n", b"%YAML 9\n"),
)  # fmt: skip


class Mutator:
    """Makes broken variants of good inputs.

    Args:
        rng: the same one makes the same variants.
        seeds: good inputs.
    """

    def __init__(self, rng: Random, seeds: Sequence[bytes]) -> None:
        self._rng, self._seeds = rng, seeds

    def next(self) -> bytes:
        """Return the next variant: a seed with one change, or several."""
        case = bytearray(self._rng.choice(self._seeds))
        for _ in range(self._rng.choice((1, 1, 1, 2, 3, 8))):
            self._change(case)
        return bytes(case)

    def _change(self, case: bytearray) -> None:
        rng = self._rng
        start = rng.randrange(len(case) + 1)
        end = min(len(case), start + rng.choice((0, 1, 1, 2, 4, 16, 64, len(case))))
        match rng.randrange(9):
            case 0 if case:
                case[min(start, len(case) - 1)] ^= 1 << rng.randrange(8)
            case 1 if case:
                case[min(start, len(case) - 1)] = rng.randrange(256)
            case 2:
                del case[start:end]
            case 3:
                case[start:start] = case[start:end]
            case 4:
                case[start:end] = rng.choice(PIECES)
            case 5:
                case[start:start] = rng.randbytes(rng.randrange(1, 9))
            case 6:
                other = rng.choice(self._seeds)
                cut = rng.randrange(len(other) + 1)
                case[start:end] = other[cut : cut + rng.choice((4, 32, 256))]
            case 7:
                self._value(case)
            case _:
                del case[start:]

    def _value(self, case: bytearray) -> None:
        """Put something else in the place of a whole value, name or line."""
        rng = self._rng
        marks = [at for at, byte in enumerate(case) if byte in b'",:{}[]\n ']
        if len(marks) > 1:
            first = rng.randrange(len(marks) - 1)
            case[marks[first] + 1 : marks[first + 1]] = rng.choice(PIECES)
