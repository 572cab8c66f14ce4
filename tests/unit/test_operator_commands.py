"""How the operator's commands read options and print; what they say needs a broker and is tested with one."""

import io
import os
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streams.cli import app
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.raw_batch import RawBatch
from streams.kafka.reader.reader import ReadProgress
from streams.operator.commands import unreadable
from streams.operator.commands.dead_letter_options import selection_of
from streams.operator.commands.output import confirm, moment, print_table, reading, shown
from tests.unit.kit import NOW_MS


@pytest.fixture
def notifier(tmp_path, monkeypatch):
    """Run the command with settings that are good but for their brokers."""
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    monkeypatch.setenv("NOTIFIER_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2h", NOW_MS - 7_200_000),
        ("250ms", NOW_MS - 250),
        ("2026-11-22T10:15:30Z", NOW_MS),
        ("2026-11-22T11:15:30+01:00", NOW_MS),
        (None, None),
    ],
)
def test_a_time_is_read(text, ms):
    """So long ago, or a moment with its offset."""
    assert moment(text, NOW_MS, "--since") == ms


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22", "2026-11-22T10:15:30", "-2h"])
def test_what_is_no_time_is_wrong_use(text):
    """A day or a time without an offset means something else elsewhere."""
    with pytest.raises(typer.BadParameter, match="--since: expected how long ago"):
        moment(text, NOW_MS, "--since")


def test_text_of_outside_origin_stays_on_its_line():
    """Control characters, terminal escapes and marks that turn the writing direction become visible."""
    assert shown("a\x1b[31m\n\t\u202eb é支") == "a\\x1b[31m\\n\\t\\u202eb é支"


def test_a_pipe_gets_tabs(capsys):
    """No headings, nothing cut; a tab inside a cell is no separator."""
    print_table(("one", "two"), [("x" * 300, None), ("a\tb", 7)])
    assert capsys.readouterr().out == "x" * 300 + "\t\na\\tb\t7\n"


def test_how_far_a_long_reading_is_is_said_at_once(capsys):
    """Not of a short one, and then only now and again: whoever waits knows that it works, and is not flooded."""
    with reading("reading") as on_progress:
        on_progress(ReadProgress(0, 100))
        assert capsys.readouterr().err == ""
        on_progress(ReadProgress(0, 1_000_000))
        on_progress(ReadProgress(5, 1_000_000))
    assert capsys.readouterr().err == "reading: 0 of 1,000,000 records\n"


class Terminal(io.StringIO):
    """Standard input or output of somebody who sits there."""

    def isatty(self):
        return True


def test_a_terminal_gets_a_table_with_whole_ids(monkeypatch):
    """With headings; an id that is too long for its column is folded, never cut."""
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("place", "why"), [("i" * 50, "[bold]w[/bold]")])
    text = out.getvalue()
    assert "place" in text
    assert text.count("i") == 50
    assert "[bold]" in text.replace("\n", "")


@pytest.mark.parametrize(
    ("typed", "count", "code"),
    [("y\n", 5, None), ("n\n", 5, 1), ("311\n", 311, None), ("y\n", 311, 1)],
)
def test_the_question_grows_with_the_number(monkeypatch, typed, count, code):
    """Up to a hundred yes will do; beyond it the number must be typed; no is exit 1."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", Terminal())
    if code is None:
        confirm("Replay?", count, yes=False)
    else:
        with pytest.raises(typer.Exit) as ended:
            confirm("Replay?", count, yes=False)
        assert ended.value.exit_code == code


class Interrupted(Terminal):
    """Standard input of somebody who presses Ctrl-C."""

    def readline(self, *_):
        raise KeyboardInterrupt


@pytest.mark.parametrize("count", [5, 311])
def test_ctrl_c_at_a_question_is_130(monkeypatch, capsys, count):
    """As Ctrl-C is everywhere, whichever question it is: not the 1 of somebody who said no."""
    monkeypatch.setattr(sys, "stdin", Interrupted())
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(typer.Exit) as ended:
        confirm("Replay?", count, yes=False)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.endswith("\nNothing was done.\n")


@pytest.mark.parametrize("typed", [b"", b"\xff\n", b"yes please\n"])
def test_only_yes_is_a_yes(monkeypatch, typed):
    """Ctrl-D, bytes that are no text and anything else are none, and exit 1."""
    stdin = io.TextIOWrapper(io.BytesIO(typed), "utf-8")
    monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(typer.Exit) as ended:
        confirm("Replay?", 1, yes=False)
    assert ended.value.exit_code == 1


def test_nobody_is_asked_where_nobody_sits(monkeypatch, capsys):
    """Then --yes is needed."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(typer.Exit) as ended:
        confirm("Replay?", 1, yes=False)
    assert ended.value.exit_code == 2
    assert "add --yes" in capsys.readouterr().err
    confirm("Replay?", 10**6, yes=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dead-letters", "replay"), "name what to put back"),
        (("dead-letters", "replay", "--partner", "a", "--execute"), "--why: missing"),
        (("dead-letters", "replay", "x", "--execute", "--why", ""), "why: expected 1 to"),
        (("dead-letters", "list", "--reason", "tired"), "expected one of attempts-exhausted"),
        (("dead-letters", "list", "--profile", "mpp-to-mars"), "expected one of acquirer-to"),
        (("dead-letters", "list", "--until", "soon"), "expected how long ago"),
        (("resend", "order-1"), "--why: missing"),
        (("undelivered", "--partner", "a"), "Missing option"),
    ],
)
def test_wrong_use_exits_with_2(notifier, arguments, says):
    """And names what was expected; no broker is asked."""
    result = notifier(*arguments)
    assert result.exit_code == 2
    assert says in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("why", "o\udcff1"), "order_id"),
        (("why", "o", "--console", "https://me:secret\udcff@a", "--token-file", "t"), "--console"),
        (("dead-letters", "show", "o\udcff1"), "which"),
        (("dead-letters", "replay", "o", "o\udcff1"), "WHICH"),
        (("dead-letters", "list", "--partner", "a\udcff"), "--partner"),
        (("resend", "o\udcff1", "--why", "w"), "order_id"),
        (("tail", "--order", "o\udcff1"), "--order"),
        (("unreadable", "show", "t\udcff:0:1"), "PLACE"),
        (("send-test", "a\udcff"), "partner"),
        (("console", "token", "a\udcff"), "name"),
    ],
)
def test_an_argument_that_is_no_utf8_is_wrong_use(notifier, arguments, named):
    """Of every command, before anything is asked: such bytes, which Python gives as lone surrogates, ended some in a traceback."""
    result = notifier(*arguments)
    assert result.exit_code == 2
    assert f"{named}" in result.stderr
    assert "it is no UTF-8" in result.stderr
    assert "secret" not in result.output


def test_a_files_name_may_be_of_any_bytes(notifier, tmp_path, monkeypatch):
    """It is the system's matter and no text."""
    monkeypatch.delenv("NOTIFIER_PARTNERS_FILE")
    path = tmp_path / "event\udcff.json"
    path.write_text("{}")
    result = notifier("check-event", str(path))
    assert "it is no UTF-8" not in result.stderr
    assert "profile" in result.output


@pytest.mark.parametrize(
    ("given", "is_place"),
    [
        ("payment-notification-dead-letter:3:1182", True),
        ("payment-notification-dead-letter/3/1182", True),
        ("shop:1:2", False),
        ("2026/11/30", False),
        ("payment-notification-retry-1s:3:1182", False),
        ("other-dead-letter:3:1182", False),
    ],
)
@pytest.mark.usefixtures("notifier")
def test_only_a_place_of_the_dead_letter_topic_is_a_place(given, is_place):
    """An order id may look like one, and could not be looked up or put back."""
    selection = selection_of([given])
    place = RecordId("payment-notification-dead-letter", 3, 1182)
    assert selection.record_ids == ({place} if is_place else set())
    assert selection.orders == (set() if is_place else {given})


def test_a_batch_that_is_kept_is_its_owners(notifier, tmp_path, monkeypatch):
    """Its bytes are customers' data: others of the machine read them not, whatever the umask is."""
    place, file = RecordId("final", 3, 1182), tmp_path / "batch.bin"
    batch = RawBatch(place, b"bytes", "wrong checksum (CRC)", 1184, {})
    monkeypatch.setattr(unreadable, "_batch", lambda *_: batch)
    before = os.umask(0)
    try:
        assert notifier("unreadable", "show", str(place), "--export", str(file)).exit_code == 0
    finally:
        os.umask(before)
    assert file.read_bytes() == b"bytes"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["https://a..b/", f"https://{'a' * 64}.example/"])
def test_a_test_call_to_a_host_that_is_no_name_is_a_fault(notifier, tmp_path, url):
    """In one sentence, and nothing is called."""
    key = tmp_path / "key.pem"
    vectors = Path(__file__).parents[1] / "vectors"
    key.write_bytes((vectors / "sender_private_pkcs8.pem").read_bytes())
    key.chmod(0o600)
    (tmp_path / "partners.yaml").write_text(
        "partners:\n  one:\n    profiles: [mpp-to-ant]\n    client_id: C\n    private_key_file: key.pem\n"
        "    require_signed_response: false\n"
    )
    result = notifier("send-test", "one", "--url", url)
    assert result.exit_code == 1
    assert result.stderr == "fault: --url: the host is no well-formed name\n"


@pytest.mark.parametrize(
    "arguments", [("why", "order-1"), ("dead-letters", "list"), ("dead-letters", "show", "t:0:1")]
)
def test_no_broker_is_one_sentence_and_1(notifier, arguments):
    """Without a trace; in JSON where that was asked for."""
    result = notifier(*arguments)
    assert result.exit_code == 1
    assert "fault: NOTIFIER_BROKERS: " in result.stderr
    assert "Traceback" not in result.output
    as_json = notifier(*arguments, "--json")
    assert as_json.exit_code == 1
    assert '"ok": false' in as_json.stdout
