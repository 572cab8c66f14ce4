"""The command: what it prints, exit codes, and every fault at once. Without a broker: nobody listens on port 1."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from streams import __main__, cli
from streams.notification.profiles import PROFILES
from streams.operator.commands import check
from streams.operator.commands.common import known_or_fail
from streams.settings import load_settings
from tests.support.waiting import TIMEOUT_SECONDS

VECTORS = Path(__file__).parents[1] / "vectors"
NOBODY = "127.0.0.1:1"
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Good settings and a good partners file, but no broker."""
    for name in tuple(os.environ):
        if name.upper().startswith("NOTIFIER"):
            monkeypatch.delenv(name)
    key = tmp_path / "key.pem"
    key.write_bytes((VECTORS / "sender_private_pkcs8.pem").read_bytes())
    key.chmod(0o600)
    partners = tmp_path / "partners.yaml"
    partners.write_text(
        f"""
        partners:
          one:
            profiles: [mpp-to-ant]
            client_id: C
            private_key_file: key.pem
            peer_public_key_files: {{1: {VECTORS / "receiver_public_spki.pem"}}}
        """
    )
    monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(partners))
    monkeypatch.setenv("NOTIFIER_BROKERS", NOBODY)
    monkeypatch.setenv("COLUMNS", "200")
    return monkeypatch


def run(*arguments):
    return CliRunner().invoke(cli.app, list(arguments))


def process(code, *arguments, stdout=subprocess.PIPE):
    """Run in a process of its own."""
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


WORKER = "import sys; sys.argv = ['notifier', 'worker']; from streams.cli import main; main()"


def test_ladder_prints_each_profiles_attempts_and_waits():
    """The same as the registry: attempt, wait before it, elapsed at least."""
    result = run("ladder")
    assert result.exit_code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in result.output.splitlines()
        if line.startswith("│")
    ]
    expected = []
    for profile in PROFILES.values():
        assert f"{profile.name}: {profile.ladder.attempts} attempts" in result.output
        elapsed = 0
        expected.append(["1", "-", "0:00:00"])
        for attempt, wait in enumerate(profile.ladder.waits, start=2):
            elapsed += wait.seconds
            hours, minutes, seconds = elapsed // 3600, elapsed % 3600 // 60, elapsed % 60
            expected.append([str(attempt), wait.label, f"{hours}:{minutes:02}:{seconds:02}"])
    assert rows == expected
    assert ["15", "6h", "17:03:34"] in rows
    assert ["8", "15h", "24:22:00"] in rows


def test_ladder_as_json():
    """For programs."""
    result = run("ladder", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        name: {
            "attempts": profile.ladder.attempts,
            "waits": [wait.label for wait in profile.ladder.waits],
        }
        for name, profile in PROFILES.items()
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_check_warns_of_sasl_in_the_clear(environment, tmp_path, mechanism):
    """Whatever the mechanism, to people and in JSON; over TLS it is silent."""
    for name in ("password", "token"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text("s")
    if mechanism == "OAUTHBEARER":
        environment.setenv("NOTIFIER_KAFKA_OAUTH_TOKEN_FILE", str(tmp_path / "token"))
    else:
        environment.setenv("NOTIFIER_KAFKA_USER", "u")
        environment.setenv("NOTIFIER_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    environment.setenv("NOTIFIER_KAFKA_SASL_MECHANISM", mechanism)
    for protocol, warned in (("SASL_PLAINTEXT", True), ("SASL_SSL", False)):
        environment.setenv("NOTIFIER_KAFKA_SECURITY_PROTOCOL", protocol)
        told = [w for w in json.loads(run("check", "--json").stdout)["warnings"] if "SASL_SSL" in w]
        assert bool(told) == warned
        assert ("warning: NOTIFIER_KAFKA_SECURITY_PROTOCOL: seen" in run("check").stderr) == warned


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["topics"],
        ["no-such-command"],
        ["ladder", "--colour"],
        ["worker", "surplus"],
        ["sandbox", "no-such-part"],
        ["sandbox", "--answers", "S=perhaps"],
        ["sandbox", "--rate", "0"],
        ["sandbox", "partner", "--port", "70000"],
        ["sandbox", "partner", "--port", "-1"],
        ["demo", "--payments", "0"],
    ],
)
def test_used_wrongly(arguments):
    """Exit code 2, and what was expected."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def test_help_is_no_fault():
    """And names every command."""
    result = run("--help")
    assert result.exit_code == 0
    for command in ("worker", "topics", "check", "ladder", "sandbox", "demo"):
        assert command in result.output


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_the_line_of_each_command_is_its_own(name):
    """`notifier --help`, which imports no command, shows the first paragraph of the help that the command itself has."""
    group = get_command(cli.app)
    assert isinstance(group, cli.Group)
    first = (group.commands[name].help or "").partition("\n\n")[0]
    assert " ".join(first.split()) == group.lines()[name]
    assert f"notifier {name}" in run(name, "--help").output


@pytest.mark.e2e
def test_help_and_version_import_no_command():
    """What takes a second to import (Kafka's client, pydantic, Rich) is not needed to be told what there is."""
    code = (
        "import sys; from streams.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'aiokafka', 'faust', 'httpx', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    for option, said in (
        ("--help", "Usage:"),
        ("--version", f"notifier {version('payment-notifier')}"),
    ):
        done = process(code, option)
        assert said in done.stdout
        assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_a_mistyped_command_is_guessed():
    """Exit code 2, and what was perhaps meant."""
    result = run("undeliverd")
    assert (result.exit_code, "Did you mean 'undelivered'?" in result.output) == (2, True)


def test_check_lists_every_fault_at_once(environment, tmp_path):
    """Settings, partners and keys; a worker would not start for any of them."""
    (tmp_path / "partners.yaml").write_text(
        "partners: {one: {profiles: [moon], client_id: C, private_key_file: no.pem, colour: red}}"
    )
    environment.setenv("NOTIFIER_ROLE", "both")
    environment.setenv("NOTIFIER_WEB_PORT", "x")
    environment.setenv("NOTIFIER_LADER_SCALE", "1")
    result = run("check")
    assert result.exit_code == 1
    faults = [line for line in result.stderr.splitlines() if line.startswith("fault: ")]
    assert [fault.split(": ")[1] for fault in faults] == [
        "NOTIFIER_LADER_SCALE",
        "NOTIFIER_ROLE",
        "NOTIFIER_WEB_PORT",
        "partners.one.profiles.0",
        "partners.one.private_key_file",
        "partners.one.colour",
    ]
    assert result.stdout == ""


def test_check_lists_what_is_wrong_with_the_brokers_too(environment, tmp_path):
    """As far as it can be seen without them."""
    (tmp_path / "partners.yaml").write_text("partners: []")
    environment.setenv("NOTIFIER_COLOUR", "red")
    result = run("check")
    assert result.exit_code == 1
    warning, partners, brokers = result.stderr.splitlines()
    assert warning == "warning: NOTIFIER_COLOUR: there is no such setting; it is ignored"
    assert partners.startswith("fault: partners")
    assert brokers.startswith(f"fault: NOTIFIER_BROKERS: no broker answers at {NOBODY}: ")
    assert brokers.endswith("expected a reachable Kafka, see also NOTIFIER_KAFKA_SECURITY_PROTOCOL")


def test_check_as_json(environment):
    """The same for programs, faults and warnings apart."""
    environment.setenv("NOTIFIER_COLOUR", "red")
    result = run("check", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [fault.split(":")[0] for fault in told["faults"]] == ["NOTIFIER_BROKERS"]
    assert told["warnings"] == ["NOTIFIER_COLOUR: there is no such setting; it is ignored"]


def test_check_without_a_partners_file(environment):
    """Named once, by the setting."""
    environment.delenv("NOTIFIER_PARTNERS_FILE")
    result = run("check")
    assert result.exit_code == 1
    assert result.stderr == (
        "fault: NOTIFIER_PARTNERS_FILE: not set, expected the partners file, YAML\n"
    )


@pytest.mark.parametrize("command", ["create", "check"])
def test_topics_without_a_broker(command):
    """Exit code 1 and the setting to look at."""
    result = run("topics", command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"fault: NOTIFIER_BROKERS: no broker answers at {NOBODY}")
    result = run("topics", command, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert told["faults"][0].startswith("NOTIFIER_BROKERS: no broker answers")


@pytest.mark.parametrize("command", ["create", "check"])
def test_topics_with_bad_settings(environment, command):
    """The faults of the settings, as text or as JSON as asked."""
    environment.setenv("NOTIFIER_ROLE", "both")
    result = run("topics", command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("fault: NOTIFIER_ROLE: seen 'both', expected")
    result = run("topics", command, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"][0].startswith("NOTIFIER_ROLE: seen 'both'")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("variables", "faults"),
    [
        ({"NOTIFIER_ROLE": "both", "NOTIFIER_WEB_PORT": "x"}, ["NOTIFIER_ROLE", "NOTIFIER_WEB_PORT"]),
        ({"NOTIFIER_PARTNERS_FILE": "no/such.yaml"}, ["NOTIFIER_PARTNERS_FILE: seen 'no/such.yaml'"]),
    ],
)  # fmt: skip
def test_a_worker_does_not_start_on_a_fault(environment, variables, faults):
    """Exit code 1 and every fault that can be seen so far."""
    for name, value in variables.items():
        environment.setenv(name, value)
    result = process(WORKER)
    assert (result.returncode, result.stdout) == (1, "")
    lines = [line for line in result.stderr.splitlines() if line.startswith("fault: ")]
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"fault: {fault}")
    assert "Traceback" not in result.stderr


@pytest.mark.e2e
def test_a_worker_says_loudly_that_its_waits_are_shortened(environment):
    """A rehearsal's setting in production is a partner called fifteen times in a minute."""
    environment.setenv("NOTIFIER_LADDER_SCALE", "0.001")
    environment.setenv("NOTIFIER_GIVE_UP_AFTER", "1h")
    environment.setenv("NOTIFIER_COLOUR", "red")
    environment.setenv("NOTIFIER_WEB_PORT", "0")
    with subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", WORKER], stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        said = []
        for line in worker.stderr:
            said.append(line)
            if "waiting for Kafka" in line:
                worker.terminate()
        assert worker.wait(60) == 0
    log = "".join(said)
    assert f"NOTIFIER_BROKERS: no broker answers at {NOBODY}" in log
    assert "NOTIFIER_LADDER_SCALE is 0.001: EVERY WAIT IS SHORTENED" in log
    assert "NOTIFIER_COLOUR: there is no such setting; it is ignored" in log


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("variables", "code", "told"),
    [
        ({"NOTIFIER_ROLE": "all"}, 2, "Use `notifier worker` for all."),
        ({"NOTIFIER_ROLE": "both"}, 1, "fault: NOTIFIER_ROLE: seen 'both'"),
        (
            {"NOTIFIER_ROLE": "main", "NOTIFIER_PARTNERS_FILE": "no/such.yaml"},
            1,
            "fault: NOTIFIER_PARTNERS_FILE: seen 'no/such.yaml'",
        ),
    ],
)
def test_fausts_own_command_runs_one_role(environment, variables, code, told):
    """`faust -A streams.app` asks the module for its application; role all is two applications and needs `notifier worker`."""
    for name, value in variables.items():
        environment.setenv(name, value)
    result = process("from streams.app import app")
    assert result.returncode == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("role", ["main", "retry"])
def test_fausts_own_command_finds_the_application(environment, role):
    """Named like its consumer group."""
    environment.setenv("NOTIFIER_ROLE", role)
    result = process("import streams.app; print(streams.app.app.conf.id)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == {"main": "payment-notifier"}.get(role, "payment-notifier-retry")


def test_ctrl_c_while_the_command_is_imported(monkeypatch):
    """130 as well, without a traceback of whatever was being imported."""

    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt if name == "main" else AttributeError(name)

    monkeypatch.setitem(sys.modules, "streams.cli", Interrupted("streams.cli"))
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130


def test_ctrl_c(monkeypatch):
    """130, as shells have it, and no traceback."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "load_settings", interrupted)
    monkeypatch.setattr(sys, "argv", ["notifier", "check"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130


COMMAND = "from streams.cli import main; main()"
unbuffered = pytest.mark.parametrize("unbuffered", ["", "1"])


@pytest.mark.e2e
@unbuffered
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_full_disk(environment, unbuffered):
    """One sentence, and exit code 1, whether Python writes at once or at its end."""
    environment.setenv("PYTHONUNBUFFERED", unbuffered)
    with FULL.open("w") as full:
        done = process(COMMAND, "--version", stdout=full)
    said = "fault: seen No space left on device, expected room for what is written\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.e2e
@unbuffered
def test_a_reader_that_goes_away(environment, unbuffered):
    """As `head` does: not a word."""
    environment.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = process(COMMAND, "--version", stdout=nobody)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.e2e
def test_an_encoding_that_lacks_a_letter(environment, tmp_path):
    """It is escaped: the texts of `verify` have an ellipsis."""
    environment.setenv("PYTHONIOENCODING", "latin-1")
    answer = tmp_path / "answer.txt"
    answer.write_text("HTTP/1.1 200 OK\n\n{}")
    done = process(COMMAND, "verify", str(answer), "--partner", "one", "--path", "/n")
    assert (done.returncode, done.stderr) == (1, "")
    assert r"keyVersion=1,signature=\u2026" in done.stdout


@pytest.mark.parametrize(
    ("command", "module"), [("sandbox", "streams.sandbox.run"), ("demo", "streams.sandbox.demo")]
)
def test_without_the_rehearsal_kit(monkeypatch, command, module):
    """The worker's image has none; the command says how to get it."""
    monkeypatch.setitem(sys.modules, module, None)
    result = run(command)
    assert result.exit_code == 1
    assert "pip install 'payment-notifier[sandbox]'" in result.stderr


def test_a_mistyped_partner_is_guessed(capsys):
    """Exit code 1 and the nearest entry; an entry of the file is none, nor is anything where there is no usable file."""
    for partner, guess in (("onne", "; did you mean one?"), ("zzz", "")):
        with pytest.raises(typer.Exit) as ended:
            known_or_fail(load_settings(), [partner])
        assert ended.value.exit_code == 1
        assert capsys.readouterr().err == (
            f"fault: --partner: seen {partner}, and neither the topics nor the partners file know it{guess}\n"
        )
    known_or_fail(load_settings(), ["one"])
    settings = load_settings()
    settings.partners_file.write_text("[")
    known_or_fail(settings, ["zzz"])
