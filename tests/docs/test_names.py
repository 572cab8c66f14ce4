"""Every name in the documentation exists in the code, and what operators need to know is documented."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.main import get_command

from schemas.attempt_record import AttemptRecord
from streams.cli import app
from streams.kafka.format import records
from streams.kafka.topics import TopicNames, topic_specs
from streams.kafka_settings import PREFIX
from streams.notification.decision import DeadLetterReason
from streams.notification.profiles import TIERS
from streams.operator.console.metrics import ConsoleMetrics
from streams.partners.entry import Entry, ProxyEntry, SigningKeyEntry, TlsEntry
from streams.settings import Settings
from streams.telemetry.metrics import Metrics

VARIABLES = {PREFIX + name.upper() for name in Settings.model_fields}
TOPICS = {spec.name for spec in topic_specs(TopicNames("payment-notification"), TIERS, 1, 1)}
METRICS = {
    family.name
    for catalogue in (Metrics("0"), ConsoleMetrics())
    for family in catalogue.registry.collect()
}


COMMAND = get_command(app)


@cache
def subcommand(group, name):
    """Return a command of a group; None where it has no such command."""
    return group.commands.get(name)


def command_faults(line):
    """Return what a line of code asks of `notifier` that it can't do."""
    faults = []
    for call in re.finditer(r"(?<![\w.-])notifier ([a-z][^#&|`]*)", line):
        command = COMMAND
        for word in call[1].split():
            if word.startswith("--"):
                options = [name for parameter in command.params for name in parameter.opts]
                if word.partition("=")[0] not in options:
                    faults.append(f"{command.name} {word}")
            elif hasattr(command, "commands"):
                found = subcommand(command, word)
                if found is None:
                    faults.append(f"{command.name} {word}")
                    break
                command = found
    return faults


def test_commands_exist(page):
    """Each `notifier …` in a page is a command with the options named."""
    assert [fault for line in page.code for fault in command_faults(line)] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (".venv/bin/notifier topics check --json # says it", []),
        ("notifier topics create && notifier worker", []),
        ("notifier sandbox --answers S=1 partner", []),
        ("payment-notifier nothing", []),
        ("notifier topics drop", ["topics drop"]),
        ("notifier check --quick", ["check --quick"]),
    ],
)
def test_a_wrong_command_is_found(line, expected):
    """A command or option that does not exist is reported, one that does is not."""
    assert command_faults(line) == expected


def test_make_targets_exist(page, root):
    """Each `make …` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    named = {name for line in page.code for name in re.findall(r"(?<![\w.-])make ([a-z-]+)", line)}
    assert named - targets == set()


def test_variables_exist(page):
    """Each NOTIFIER_ variable in a page is a setting; a star stands for several."""
    for name in re.findall(rf"{PREFIX}[A-Z0-9_]+\*?", page.text):
        if name.endswith("*"):
            assert any(variable.startswith(name[:-1]) for variable in VARIABLES), name
        else:
            assert name in VARIABLES


def test_every_setting_says_what_it_means():
    """Each setting has the description that its line in settings.md shows."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_metrics_exist(page):
    """Each metric named in a page is one that a worker shows."""
    named = re.findall(r"\bnotifier_[a-z_]+", page.text)
    suffix = re.compile(r"_(total|info|bucket|sum|count)$")
    assert {
        name for name in named if name not in METRICS and suffix.sub("", name) not in METRICS
    } == set()


def test_topics_exist(page):
    """Each topic of ours named in a page is one that the worker has."""
    named = set(re.findall(r"\bpayment-notification-[a-z0-9-]+[a-z0-9]", page.text))
    assert named - TOPICS == set()


def test_files_exist(page, root):
    """Each file or folder of the code named in a page is there."""
    paths = {
        path
        for line in page.code
        for path in re.findall(r"(?<![\w/.-])(?:streams|schemas|tests|docs)/[\w./-]*", line)
    }
    assert {path for path in paths if not (root / path).exists()} == set()


def first_cells(text, heading):
    """Return the names in the first column of the table under a heading."""
    section = text.partition(f"{heading}\n")[2]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\|([^|]*)\|", section, flags=re.MULTILINE)[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize(
    ("path", "heading", "expected"),
    [
        ("docs/attempts.md", "## The attempts record", list(AttemptRecord.model_fields)),
        ("docs/attempts.md", "## Headers of a waiting notification", list(records._OUR_HEADERS)),
        ("docs/attempts.md", "## Dead letters", list(records._DEAD_LETTER_HEADERS)),
        ("docs/attempts.md", "### Reasons of dead letters", [*DeadLetterReason]),
        ("docs/partners-file.md", "## Keys of an entry", list(Entry.model_fields)),
        ("docs/partners-file.md", "### `signing_keys`", ["version", "file", "from"]),
        ("docs/partners-file.md", "### `tls`", list(TlsEntry.model_fields)),
        ("docs/partners-file.md", "### `proxy`", list(ProxyEntry.model_fields)),
    ],
)
def test_tables_are_complete(pages, path, heading, expected):
    """A table that people look things up in has every name of the code once, and no other."""
    assert sorted(first_cells(pages[Path(path)].text, heading)) == sorted(expected)


def test_every_word_of_the_attempts_record_is_explained(pages):
    """Each kind, trigger, decision and other fixed value of the attempts record stands in its page."""
    schema = AttemptRecord.model_json_schema()["properties"].values()
    parts = [part for member in schema for part in (member, *member.get("anyOf", ()))]
    words = {word for part in parts for word in part.get("enum", ())}
    assert "absorbed" in words
    assert words - set(pages[Path("docs/attempts.md")].code) - {"S", "F", "U"} == set()


def test_signing_keys_have_no_other_keys():
    """The keys of the table of `signing_keys` are those of its model."""
    names = [field.alias or name for name, field in SigningKeyEntry.model_fields.items()]
    assert names == ["version", "file", "from"]


def test_every_dependency_has_its_reason(pages, root):
    """The decision about packages names each package that the wheel or its extra needs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]
    named = set(pages[Path("docs/decisions/0005-packages.md")].code)
    assert {Requirement(text).name for text in asked} - named == set()


def test_decisions_are_listed(pages):
    """The index of the decisions links each of them, in order."""
    folder = Path("docs/decisions")
    files = sorted(
        path.name for path in pages if path.parent == folder and path.name != "README.md"
    )
    listed = re.findall(r"\((\d{4}-[^)]+)\)", pages[folder / "README.md"].text)
    assert listed == files
