"""The read model in SQLite: what the topics say, kept so that pages answer at once.

One writer; readers have connections of their own and see what was committed last (WAL). Nothing here is the truth: the
file can be deleted at any time and is made anew from Kafka. A little over 300 lines: one class, which alone writes.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId
from streams.kafka.format.records import PartitionId
from streams.operator.console.rows import Row, closed_dead_letters, history_row, rows_of
from streams.operator.dead_letters.selection import SQL_FUNCTION, code_of
from streams.operator.history.notification_history import histories_of

SCHEMA: Final = "6"
"""Of `schema.sql` and of what is put into it. A file with another one is made anew."""

_FOLDED_AT_ONCE: Final = 500
_MOST_FACTS: Final = 2000  # of one order: payment core may use one key for everything
_OF_ORDER: Final = "SELECT fact FROM facts WHERE order_id = ? ORDER BY at_ms DESC LIMIT ?"
_TABLES: Final = ("facts", "attempts", "dead_letters", "rests", "touched", "partners")
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PLACED: Final = ("facts", "attempts", "dead_letters", "rests")  # tables with a row for each record


@dataclass(slots=True)
class ReadModelStore:
    """The read model's file.

    Attributes:
        path: of the file; it is made where it is missing, and anew where it is another's or broken.
        identity: which installation it is of: brokers, prefix, source topics, how far back it is read.
        anew: why the file was made anew, or None where it was as it must be.
    """

    path: Path
    identity: str
    anew: str | None = field(default=None, init=False)
    _writing_lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _lending_lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _writer: sqlite3.Connection = field(init=False)
    _idle: list[sqlite3.Connection] = field(default_factory=list, init=False)
    _generation: int = field(default=0, init=False)
    _opened: tuple[int, int] | None = field(default=None, init=False)  # device and inode
    _left: int | None = field(default=None, init=False)  # orders to fold, while nothing new comes

    def __post_init__(self) -> None:
        self._writer = self._connect()
        self._opened = self._place()
        try:
            self.anew = self._difference()
        except sqlite3.DatabaseError as error:
            self.anew = f"the file could not be read ({error})"
        if self.anew is not None:
            self.clear()

    def clear(self) -> None:
        """Make the file anew, empty."""
        with self._writing_lock:
            self._left = None
            self.close()
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._writer = self._connect()
            self._opened = self._place()
            with self._writer:
                self._writer.executescript(
                    files("streams.operator.console").joinpath("schema.sql").read_text("utf-8")
                )
                self._writer.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    [("schema", SCHEMA), ("identity", self.identity)],
                )

    def is_gone(self) -> bool:
        """Tell whether the file was deleted or replaced since it was opened: by hand, or by what cleans /tmp."""
        return self._place() != self._opened

    @staticmethod
    def is_broken(error: sqlite3.Error) -> bool:
        """Tell whether an error says that the file is damaged."""
        return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _BROKEN

    def _place(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """Close the file, once nobody is writing any more."""
        with self._writing_lock, self._lending_lock:
            self._generation += 1
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Return what a question brings, each row readable by index and by name. Any thread may ask."""
        with self._reader() as reader:
            return reader.execute(sql, values).fetchall()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that only reads: one that is idle, or a new one."""
        with self._lending_lock:
            generation = self._generation
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = self._connect()
            reader.execute("PRAGMA query_only = 1")
        try:
            yield reader
        finally:
            with self._lending_lock:
                if generation == self._generation:
                    self._idle.append(reader)
                else:  # of a file that is gone
                    reader.close()

    def row(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> Any:  # noqa: ANN401  # of SQLite
        """Return the first row that a question brings, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    # --- what was read ----------------------------------------------------------------------------

    def positions(self) -> dict[PartitionId, int]:
        """Return the offset that is to be read next, by partition."""
        rows = self.rows("SELECT topic, partition, next_offset FROM positions")
        return {(topic, partition): offset for topic, partition, offset in rows}

    def put(
        self,
        facts: Iterable[Fact],
        positions: Mapping[PartitionId, int],
        unread: Iterable[RecordId] = (),
    ) -> None:
        """Keep what records say, how far was read, and which of them are to be read again: all or nothing."""
        rows = rows_of(facts)
        with self._writing() as writer:
            self._left = None
            self._put_rows(rows)
            writer.executemany("INSERT OR IGNORE INTO unread_events VALUES (?, ?, ?)", unread)
            writer.executemany(
                "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
                [(*tag, offset) for tag, offset in positions.items()],
            )

    def _put_rows(self, rows: Mapping[str, list[Row]]) -> None:
        for table in _TABLES:
            if table in rows:
                marks = ", ".join("?" * len(rows[table][0]))
                self._writer.executemany(
                    f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608  # names of this file
                    rows[table],
                )
        self._writer.executemany(
            "INSERT INTO units VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET topic = excluded.topic,"
            " partition = excluded.partition, offset = excluded.offset, at_ms = excluded.at_ms",
            rows.get("arrived", ()),
        )
        self._writer.executemany(
            "INSERT INTO units (unit, stage) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET stage = max(stage, excluded.stage)",
            rows.get("handled", ()),
        )
        # A dead letter and the record that puts it back stand on two topics: either may come first.
        self._writer.executemany(
            "UPDATE dead_letters SET open = 0 WHERE place = ?",
            rows.get("put_back", ()),
        )
        self._writer.executemany(
            "UPDATE dead_letters SET open = 0 WHERE place = ?1"
            " AND EXISTS (SELECT 1 FROM facts WHERE replay_of = ?1)",
            [(row[3],) for row in rows.get("dead_letters", ())],
        )

    def leave_out(self, places: Iterable[RecordId]) -> None:
        """Keep where batches can't be read."""
        with self._writing() as writer:
            writer.executemany("INSERT OR IGNORE INTO left_out VALUES (?, ?, ?)", places)

    def left_out(self) -> tuple[RecordId, ...]:
        """Return where batches could not be read, as far as they are still kept."""
        return tuple(RecordId(*row) for row in self.rows("SELECT * FROM left_out"))

    def unread_events(self) -> int:
        """Return how many events wait for their schema."""
        return int(self.row("SELECT count(*) FROM unread_events")[0])

    def go_back_to_unread(self) -> None:
        """Go back to the events that wait for their schema, as if they and what follows had not been read."""
        first = (
            "SELECT min(offset) FROM unread_events AS u"
            " WHERE u.topic = positions.topic AND u.partition = positions.partition"
        )
        with self._writing() as writer:
            writer.execute(
                f"UPDATE positions SET next_offset = min(next_offset, coalesce(({first}), next_offset))"  # noqa: S608  # of this method
            )
            writer.execute(
                "DELETE FROM facts WHERE (topic, partition, offset) IN (SELECT topic, partition, offset FROM unread_events)"
            )
            writer.execute("DELETE FROM unread_events")

    def forget(self, begins: Mapping[PartitionId, int]) -> None:
        """Drop what Kafka has deleted, so that the model says what a new one would say."""
        with self._writing() as writer:
            self._left = None
            for (topic, partition), begin in begins.items():
                values = (topic, partition, begin)
                where = "topic = ? AND partition = ? AND offset < ?"
                writer.execute(
                    f"INSERT OR IGNORE INTO touched SELECT order_id FROM facts WHERE order_id NOTNULL AND {where}",  # noqa: S608  # of this file
                    values,
                )
                for table in (*_PLACED, "units", "unread_events", "left_out"):
                    writer.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608  # of this file

    # --- what it comes to ---------------------------------------------------------------------------

    def fold(self) -> int:
        """Fold the histories of some orders anew of which something new was read; return how many orders are left."""
        before, self._left = self._left, None  # not known any more, should this fail
        with self._writing() as writer:
            orders = writer.execute(
                "SELECT order_id FROM touched LIMIT ?", (_FOLDED_AT_ONCE,)
            ).fetchall()
            for (order_id,) in orders:
                self._fold(order_id)
                writer.execute("DELETE FROM touched WHERE order_id = ?", (order_id,))
            if before is None:  # a million take nearly as long to count as five hundred to fold
                (left,) = writer.execute("SELECT count(*) FROM touched").fetchone()
            else:
                left = before - len(orders)
        self._left = int(left)
        return self._left

    def _fold(self, order_id: str) -> None:
        writer = self._writer
        facts = _facts(writer.execute(_OF_ORDER, (order_id, _MOST_FACTS)))
        writer.execute("DELETE FROM notifications WHERE order_id = ?", (order_id,))
        # A row for each key, as OR REPLACE would not count what it replaces (see `open_counts`).
        rows = {
            row[:2]: row
            for row in (history_row(order_id, history) for history in histories_of(facts))
        }
        for row in rows.values():
            writer.execute(f"INSERT INTO notifications VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # marks only
        closed = closed_dead_letters(facts)
        writer.executemany("UPDATE dead_letters SET open = 0 WHERE place = ?", closed)

    def facts_of(self, order_id: str) -> list[Fact]:
        """Return what was read of an order: all of it, or the newest of more than any order should have."""
        return _facts(self.rows(_OF_ORDER, (order_id, _MOST_FACTS)))

    def fact_at(self, topic: str, partition: int, offset: int) -> Fact | None:
        """Return what the record at a place says, or None where it was not read or is gone."""
        row = self.row(
            "SELECT fact FROM facts WHERE topic = ? AND partition = ? AND offset = ?",
            (topic, partition, offset),
        )
        return None if row is None else Fact.from_dict(json.loads(row["fact"]))

    def facts_about(self, dead_letter: RecordId) -> list[Fact]:
        """Return the records that put a dead letter back."""
        return _facts(
            self.rows("SELECT fact FROM facts WHERE replay_of = ?", (dead_letter.header,))
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone: `close` waits for its end, whichever thread is in it."""
        with self._writing_lock, self._writer as writer:
            yield writer

    # --- the file -----------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        with suppress(OSError):  # SQLite says what is wrong with the path
            # Order ids and partners are nobody else's business; SQLite's -wal and -shm take this file's mode.
            self.path.touch(0o600)
            self.path.chmod(0o600)
        connection = sqlite3.connect(self.path, check_same_thread=False, timeout=30.0)
        connection.row_factory = sqlite3.Row
        connection.create_function(SQL_FUNCTION, 1, code_of, deterministic=True)
        with suppress(sqlite3.DatabaseError):  # a broken file: said by the first question
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # after a power cut it is made anew
            connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _difference(self) -> str | None:
        tables = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            return "it was not there"
        if self._writer.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            return "the file is damaged"
        meta = dict(self._writer.execute("SELECT name, value FROM meta").fetchall())
        if meta.get("schema") != SCHEMA:
            return f"it has version {meta.get('schema')}, expected {SCHEMA}"
        if meta.get("identity") != self.identity:
            return "it is of other brokers or topics, or another NOTIFIER_CONSOLE_KEEP"
        return None


def _facts(rows: Iterable[Any]) -> list[Fact]:
    return [Fact.from_dict(json.loads(said)) for (said,) in rows]
