"""What a producer is given to write, and the producers: each a program of its own that reads this from a file.

A file holds one cell a line: how to write, and the records. Keys, values and header values are base64, or null.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tests.support.waiting import TIMEOUT_SECONDS

HERE = Path(__file__).parent
CLIENTS = ("java", "librdkafka", "franz-go", "aiokafka")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
MODES = ("plain", "idempotent", "transactional")
TRANSACTION = 100
"""Records in a transaction, at most."""

_NOT_TO_BE_HAD = ("requires go >= ", "dial tcp", "proxyconnect", "module lookup disabled")
"""What Go says where it is too old, or where its modules are not here and can't be fetched."""

Header = tuple[str, bytes | None]


@dataclass(frozen=True)
class Record:
    """One record to be written."""

    key: bytes | None
    value: bytes
    headers: tuple[Header, ...] = ()


@dataclass
class Cell:
    """One square of the matrix: how a client writes, and what.

    Attributes:
        client: which.
        codec: the compression.
        mode: plain, idempotent or transactional.
        records: what is to be read.
        aborted: what is written in transactions that are then aborted.
    """

    client: str
    codec: str
    mode: str
    records: list[Record] = field(default_factory=list)
    aborted: list[Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, also of its transactions."""
        return f"{self.client}-{self.codec}-{self.mode}"


def cells() -> list[Cell]:
    """Return every square, without records."""
    return [Cell(*square) for square in product(CLIENTS, CODECS, MODES)]


def to_line(cell: Cell) -> str:
    """Return a cell as a line of the file."""
    return json.dumps(
        {
            "name": cell.name,
            "codec": cell.codec,
            "mode": cell.mode,
            "records": [_members(record) for record in cell.records],
            "aborted": [_members(record) for record in cell.aborted],
        }
    )


def _members(record: Record) -> dict[str, Any]:
    return {
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def read_work() -> tuple[str, str, Iterator[Cell]]:
    """Return what a producer in Python was called with: the brokers, the topic and the cells.

    Records come as they are needed, so that a large file takes little memory.
    """
    bootstrap, topic, path = sys.argv[1:]
    return bootstrap, topic, _cells_in(Path(path))


def _cells_in(path: Path) -> Iterator[Cell]:
    with path.open() as lines:
        for line in lines:
            said = json.loads(line)
            client, _, _ = said["name"].rpartition(f"-{said['codec']}-")
            yield Cell(
                client,
                said["codec"],
                said["mode"],
                [_record(members) for members in said["records"]],
                [_record(members) for members in said["aborted"]],
            )


def _record(members: dict[str, Any]) -> Record:
    headers = tuple((name, _bytes(value)) for name, value in members["headers"])
    return Record(_bytes(members["key"]), _bytes(members["value"]) or b"", headers)


def chunks(cell: Cell) -> Iterator[tuple[bool, Sequence[Record]]]:
    """Yield a cell's transactions: whether each is committed, and its records. The aborted come in between."""
    first, *others = [
        cell.records[at : at + TRANSACTION] for at in range(0, len(cell.records), TRANSACTION)
    ]
    yield True, first
    if cell.aborted:
        yield False, cell.aborted
    for chunk in others:
        yield True, chunk


def command_of(client: str, build: Path) -> list[str] | None:
    """Return how a producer is started, or None where it can't be had here.

    Args:
        client: which.
        build: where a program may be built.
    """
    if client != "franz-go":
        return [sys.executable, str(HERE / f"produce_{client}.py")]
    go = shutil.which("go")
    if go is None:
        return None
    program = build / "produce"
    built = subprocess.run(  # noqa: S603  # our own module
        [go, "build", "-o", str(program), "."],
        cwd=HERE / "franz_go",
        env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    if any(reason in built.stderr for reason in _NOT_TO_BE_HAD):
        return None
    assert built.returncode == 0, built.stderr
    return [str(program)]
