"""The demo's parts: what happens in it, how its progress is read, how its result is told."""

import io
import json
import os
import sys
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random  # noqa: TID251  # seeded here
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console

from streams.notification.profiles import PROFILES
from streams.partners import load_partners
from streams.sandbox import demo_main, demo_work, keys
from streams.sandbox.demo import conclude, main
from streams.sandbox.demo_progress import DemoProgress
from streams.sandbox.demo_result import result_tables
from streams.sandbox.demo_script import ends, plan, write_partners
from streams.sandbox.demo_worker import NotifierError, Worker, run_command, settings
from streams.sandbox.keys import make_keys
from streams.sandbox.ledger import Account, Fault, FaultKind, Kept, Produced, Reconciliation
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.payments import combinations

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _plan(count):
    return plan(count, Random(1), "https://127.0.0.1:1", NOW)  # noqa: S311  # no secret


def _events(planned):
    """Return the events that can be read."""
    for one in planned:
        try:
            event = json.loads(one.value or b"")
        except ValueError:
            continue
        yield event, one


def test_three_hundred_payments_meet_everything():
    """The default holds every profile, outcome and reason, and every way to end, most of them delivered at once."""
    planned = _plan(max(300, len(list(combinations()))))
    events = list(_events(planned))
    seen = {(event["profile"], event["outcome"], event.get("reason")) for event, _ in events}
    assert set(combinations()) <= seen
    ends = Counter(one.expected for one in planned)
    assert set(ends) == {
        "delivered",
        "rejected",
        "attempts-exhausted",
        "unverified-acknowledgement",
        "invalid-event",
        "unknown-partner",
    }
    assert sum("notifyUrl" not in event for event, _ in events) > 200
    for profile in PROFILES:
        ways = {
            (one.expected, event.get("notifyUrl"))
            for event, one in events
            if event["profile"] == profile
        }
        mine = sum(event["profile"] == profile for event, _ in events)
        assert len(ways) > min(10, mine // 3)


@pytest.mark.parametrize("count", [1, 12, 1000])
def test_any_number_of_payments(count):
    """So many payments as asked for, each its own order, and seven invalid events."""
    planned = _plan(count)
    assert len(planned) == count + 7
    orders = [one.order_id for one in planned if one.order_id]
    assert len(set(orders)) == len(orders)
    assert sum(one.value is None for one in planned) == 1


WALLET, ACQUIRER, MERCHANT = "mpp-to-ant", "alipay-plus-to-acquirer", "alipay-to-merchant"


@pytest.mark.parametrize(
    ("script", "wallet", "acquirer", "merchant"),
    [
        ("S", *("delivered",) * 3),
        ("U,U,S", *("delivered",) * 3),
        ("U", *("attempts-exhausted",) * 3),
        ("never", *("attempts-exhausted",) * 3),
        ("drop", *("attempts-exhausted",) * 3),
        ("never,slow:0.2", *("delivered",) * 3),
        ("F:PROCESS_FAIL", "rejected", "rejected", "attempts-exhausted"),
        ("F:RISK_REJECT,S", "rejected", "delivered", "delivered"),
        ("F:KEY_NOT_FOUND,F:INVALID_SIGNATURE,S", *("delivered",) * 3),
        ("unsigned", "unverified-acknowledgement", "unverified-acknowledgement", "delivered"),
        ("wrong-signature", *("unverified-acknowledgement",) * 3),
        ("wrong-signature-F:RISK_REJECT,unsigned-U,S", *("delivered",) * 3),
        ("http:500,http:404,retry-after:1,S", *("delivered",) * 3),
        ("garbage,refuse,drop,oversized", *("attempts-exhausted",) * 3),
        ("U,U,U,U,U,U,U,U,S", "delivered", "attempts-exhausted", "attempts-exhausted"),
    ],
)
def test_where_a_notification_must_end(script, wallet, acquirer, merchant):
    """The contract's three ways to take the same answers, written out."""
    found = [ends(PROFILES[name], script) for name in (WALLET, ACQUIRER, MERCHANT)]
    assert found == [wallet, acquirer, merchant]


def test_the_same_seed_plans_the_same():
    """A run can be repeated."""
    assert _plan(50) == _plan(50)


def test_the_partners_file_is_good(tmp_path):
    """Each profile has a partner and a silent one, whose calls wait for a second only."""
    path = write_partners(tmp_path, "https://127.0.0.1:1", make_keys(tmp_path / "keys"))
    load_partners(path, NOW.timestamp(), allow_http=False)
    entries = yaml.safe_load(path.read_text("utf-8"))["partners"]
    assert len(entries) == 2 * len(PROFILES)
    for name, entry in entries.items():
        assert entry.get("attempt_timeout_seconds", 5) == (1 if name.endswith("-silent") else 5)


def test_keys_that_were_made_in_part_are_made_anew(tmp_path, monkeypatch):
    """After a Ctrl-C in the middle their directory does not look whole, so that it was good for nothing."""

    def interrupted(_):
        raise KeyboardInterrupt

    make_keys(tmp_path)
    monkeypatch.setattr(keys, "make_key_pair", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_keys(tmp_path)
    assert not keys.keys_in(tmp_path).ca.exists()


def _attempts(**members):
    value = {"v": 1, "kind": "attempt", "at_ms": 1, **members}
    return Kept("p-attempts", 0, 0, json.dumps(value).encode())


def test_progress_follows_the_topics():
    """The last decision about an event says where it is; a dead letter counts from its own topic."""
    progress = DemoProgress("s", "p")
    progress.take(Kept("s", 0, number, b"") for number in range(4))
    progress.take(
        [
            _attempts(
                origin="s/0/0", decision="retry", next_topic="p-retry-30s", next_due_at_ms=2500
            ),
            _attempts(
                origin="s/0/1", decision="retry", next_topic="p-retry-1s", next_due_at_ms=1500
            ),
            _attempts(
                origin="s/0/2", decision="retry", next_topic="p-retry-1s", next_due_at_ms=1700
            ),
            _attempts(origin="s/0/2", decision="delivered"),
            Kept("p-attempts", 0, 9, b"broken"),
            Kept("p-dead-letter", 0, 0, b"", {"origin": "s/0/3", "dead-letter-reason": "rejected"}),
        ]
    )
    assert (progress.events, progress.delivered, progress.settled) == (4, 1, 2)
    assert list(progress.waiting.items()) == [("1s", 1), ("30s", 1)]
    assert progress.dead_letters == {"rejected": 1}
    assert progress.next_due_seconds(1000) == 0.5
    assert progress.next_due_seconds(2000) == 0.5
    assert progress.next_due_seconds(3000) is None
    line = progress.line(1.0, 1000, 7)
    assert "4 events in, 1 delivered, 2 waiting (1s 1, 30s 1), 1 dead letters (rejected 1)" in line
    assert "7 requests, next due in 0.5 s" in line
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(progress.table(1.0, 1000, 7))
    text = console.export_text()
    assert "next attempt due in 0.5 s" in text
    assert "1s 1, 30s 1" in text


@pytest.mark.parametrize(
    ("name", "value", "is_terminal"), [("FORCE_COLOR", "1", False), ("TERM", "dumb", True)]
)
async def test_progress_is_told_in_lines_where_nothing_can_be_redrawn(
    monkeypatch, name, value, is_terminal
):
    """In a log also when colours are asked for, and on a terminal that is dumb."""

    @asynccontextmanager
    async def reading(*_):
        async def more():
            return []

        yield SimpleNamespace(more=more)

    async def write_records(*_):
        return ["s/0/0"]

    monkeypatch.setattr(demo_work, "reading", reading)
    monkeypatch.setattr(demo_work, "write_records", write_records)
    monkeypatch.setattr(demo_work, "_LINE_EVERY_SECONDS", 0.0)
    monkeypatch.setenv(name, value)
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: is_terminal)
    parts: Any = SimpleNamespace(
        brokers="", worker=SimpleNamespace(check=lambda: None), partner=SimpleNamespace(requests=[])
    )
    _, complete = await demo_work.work(parts, _plan(1)[:1], 0.01, Console(file=shown, width=200))
    assert not complete
    assert "0 events in, 0 delivered" in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


def _told(report):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(result_tables(report))
    code = conclude(report, 5, console)
    return code, console.export_text()


def _account(origin, *places, profile="mpp-to-ant"):
    return Account(Produced(origin, profile), places, calls=2, attempts=2, repeats=0)


def test_a_good_report_ends_with_zero():
    """Without a fault the code is 0, the table names profile and place, and a newcomer learns where to go."""
    report = Reconciliation(
        (_account("s/0/0", "delivered"), _account("s/0/1", "rejected")), (), (1, 5, 9)
    )
    code, text = _told(report)
    assert code == 0
    assert "All 2 events" in text
    assert "dead letter: rejected" in text
    assert "5 ms / 9 ms / 9 ms" in text
    assert "README.md" in text


@pytest.mark.parametrize("kind", list(FaultKind))
def test_any_fault_ends_with_one(kind):
    """Each kind of fault makes the code 1 and is named with its event."""
    report = Reconciliation((_account("s/0/0"),), (Fault(kind, "s/0/0", "so it is"),), ())
    code, text = _told(report)
    assert code == 1
    assert "s/0/0: so it is" in text.replace("\n", " ")
    assert "UNACCOUNTED FOR" in text
    assert ("--time-limit" in text) == (kind is FaultKind.WAITING)


def test_many_faults_are_cut():
    """A thousand faults do not hide the tables."""
    report = Reconciliation(
        (), tuple(Fault(FaultKind.LOST, str(number)) for number in range(1000)), ()
    )
    assert "and 980 more faults" in _told(report)[1]


def test_settings_hold_none_of_the_machine_s(monkeypatch):
    """What the shell has set for another notifier is left out."""
    monkeypatch.setenv("NOTIFIER_ROLE", "retry")
    environment = settings(brokers="a:1")
    assert environment["NOTIFIER_BROKERS"] == "a:1"
    assert "NOTIFIER_ROLE" not in environment
    assert environment["PATH"] == os.environ["PATH"]


def test_packages_of_our_names_where_the_user_stands_change_nothing(tmp_path, monkeypatch):
    """Neither the command nor the partner imports them."""
    for name in ("streams", "schemas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    run_command(["ladder"], settings(), tmp_path / "log")
    assert "not ours" not in (tmp_path / "log").read_text()
    with PartnerProcess(make_keys(tmp_path / "keys")) as partner:
        assert partner.url


def test_a_command_that_fails_is_told_with_its_words(tmp_path):
    """The message holds the exit code and what the command wrote."""
    with pytest.raises(NotifierError, match=r"ended with 2\n(.*\n)*.*no-such-command"):
        run_command(["no-such-command"], settings(), tmp_path / "log")


def test_a_worker_that_ends_is_told_with_its_words(tmp_path):
    """A worker that refuses to start is no wait until the time is over."""
    environment = settings(brokers="127.0.0.1:1")  # and no partners file
    with (
        Worker(environment, tmp_path / "log", 1) as worker,
        pytest.raises(NotifierError, match=r"ended with 1\n(.*\n)*.*NOTIFIER_PARTNERS_FILE"),
    ):
        worker.wait_until_ready()


@pytest.mark.parametrize("arguments", [["--payments", "0"], ["--scale", "0"], ["--scale", "2"]])
def test_a_wrong_option_ends_with_two(arguments, capsys):
    """Options are checked before anything starts."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_ctrl_c_while_the_demo_is_imported(monkeypatch):
    """130 as well, without a traceback of whatever was being imported."""

    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt if name == "main" else AttributeError(name)

    monkeypatch.setitem(sys.modules, "streams.sandbox.demo", Interrupted("streams.sandbox.demo"))
    assert demo_main.main() == 130
