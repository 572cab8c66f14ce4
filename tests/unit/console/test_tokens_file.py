"""The console's tokens file: its faults, its changes while the console runs, and who is let in meanwhile."""

import errno
import os
from pathlib import Path

import pytest

from streams.operator.console.tokens import (
    AccessTokens,
    TokenRight,
    TokensError,
    entry_of,
    new_token,
)
from tests.support.waiting import change_of_status

pytestmark = pytest.mark.usefixtures("one_dead_letter")


def test_a_tokens_file_says_what_is_wrong(tmp_path):
    """Missing, no YAML, no digest, an unknown right, a name twice: each with what is expected, no value quoted."""
    path = tmp_path / "tokens.yaml"
    with pytest.raises(TokensError, match="No such file"):
        AccessTokens(path)
    entry = entry_of("alice", "SECRET", TokenRight.READ)
    for text, what in (
        ("a: [", "invalid YAML"),
        ("tokens: {a: {sha256: SECRET, right: read}}", "tokens.a.sha256"),
        (f"tokens: {{a: {{sha256: {'0' * 64}, right: all}}}}", "tokens.a.right"),
        ("tokens: {a: SECRET}", "tokens.a.sha256"),
        ("tokens: SECRET", "tokens: expected"),
        ("tokens: {'a b': {}}", "tokens: has a name"),
        ("[]", "the file: expected"),
        ("others: {}", "the file: has a member"),
        (f"tokens:\n{entry}\n{entry}\n", "tokens.alice: stands more than once"),
    ):
        path.write_text(text)
        with pytest.raises(TokensError) as caught:
            AccessTokens(path)
        assert "NOTIFIER_CONSOLE_TOKENS_FILE" in str(caught.value)
        assert what in str(caught.value)
        assert "SECRET" not in str(caught.value)


def test_names_and_digests_are_what_stands_there(tmp_path):
    """A name like NO and a digest of digits only are text, whatever YAML makes of such."""
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n  NO: {{sha256: {'1' * 64}, right: read}}\n")
    assert AccessTokens(path).digest_of("NO") == "1" * 64


@pytest.fixture
def alice_and_bob(tmp_path):
    """A tokens file with two tokens, as it is in force: the file, what was read of it, and the tokens."""
    path, tokens = tmp_path / "tokens.yaml", {"alice": new_token(), "bob": new_token()}
    lines = [entry_of(name, token, TokenRight.READ) for name, token in tokens.items()]
    path.write_text("\n".join(["tokens:", *lines, ""]))
    return path, AccessTokens(path), tokens


def let_in(held, tokens):
    """Return who gets in."""
    return {name for name, token in tokens.items() if held.person_of(token) is not None}


@pytest.mark.parametrize("text", ["", "\n", "# nobody\n", "tokens:\n", "tokens: {}\n", None])
def test_an_empty_or_deleted_tokens_file_is_nobody(alice_and_bob, text):
    """At the next request; a token that was taken away never works on."""
    path, held, tokens = alice_and_bob
    assert let_in(held, tokens) == {"alice", "bob"}
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert let_in(held, tokens) == set()
    assert (held.fault is None) == (text is not None)


def test_a_console_without_tokens_starts_and_lets_nobody_in(tmp_path):
    """Emptying the file also holds over a restart."""
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: {}")
    assert AccessTokens(path).person_of("") is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text + "  [broken", {"alice", "bob"}),
        (lambda text: text.replace("right: read", "right: all", 1), {"alice", "bob"}),
        (lambda text: text.replace("  alice:", "  # alice:") + "  [broken", {"bob"}),
        (lambda text: "\n".join(text.splitlines()[:2]) + "\n  carol: {}\n", {"alice"}),
        (lambda text: "\0" + text, {"alice", "bob"}),
        (lambda text: text + text.splitlines()[1] + "\n", {"alice", "bob"}),
        (lambda _: "tokens: [broken", set()),
    ],
)
def test_a_fault_keeps_the_tokens_of_who_is_still_named(alice_and_bob, change, expected):
    """A slip locks nobody out, and whoever was taken out in the same edit is out."""
    path, held, tokens = alice_and_bob
    path.write_text(change(path.read_text()))
    assert let_in(held, tokens) == expected
    assert held.fault is not None


def test_a_mended_tokens_file_counts_at_once(alice_and_bob):
    """New tokens of a faulty version don't count before, and do after it was mended."""
    path, held, tokens = alice_and_bob
    before, carol = path.read_text(), new_token()
    tokens["carol"] = carol
    line = entry_of("carol", carol, TokenRight.READ) + "\n"
    path.write_text(before + line + "  dave: {}\n")
    assert let_in(held, tokens) == {"alice", "bob", "carol"}
    assert held.fault is not None
    path.write_text(before)
    assert let_in(held, tokens) == {"alice", "bob"}
    assert held.fault is None


def test_a_tokens_file_that_everybody_may_write_lets_in_nobody_new(alice_and_bob):
    """Whoever can write it could let himself in: refused at the start, and in force nothing new of it counts."""
    path, held, tokens = alice_and_bob
    tokens["mallory"] = new_token()
    with path.open("a") as file:
        file.write(entry_of("mallory", tokens["mallory"], TokenRight.REPLAY) + "\n")
    path.chmod(0o666)
    assert let_in(held, tokens) == {"alice", "bob"}
    with pytest.raises(TokensError, match="mode 0666 lets every user of the machine write it"):
        AccessTokens(path)
    path.chmod(0o600)
    assert let_in(held, tokens) == {"alice", "bob", "mallory"}


def test_a_tokens_file_whose_owner_is_mended_lets_in_again(alice_and_bob, monkeypatch):
    """Until then the console may not read it, and nobody gets in."""
    path, held, tokens = alice_and_bob

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    path.write_text(path.read_text() + "# another version\n")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", refuse)
        assert let_in(held, tokens) == set()
    assert "Permission denied" in held.fault
    change_of_status(path, lambda: os.chown(path, os.getuid(), os.getgid()))
    assert let_in(held, tokens) == {"alice", "bob"}
    assert held.fault is None


async def test_a_fault_of_the_tokens_file_stands_on_every_page(browse):
    """And in a metric, so that an alert tells whoever doesn't look."""
    async with browse() as browser:
        path = browser.console.settings.console_tokens_file
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_tokens_valid 1.0" in text
        path.write_text(path.read_text() + "  carol: {}\n")
        for page in ("/", "/partners"):
            status, text, _ = await browser.get(page)
            assert status == 200
            assert "The tokens file has a fault." in text
            assert "tokens.carol.sha256" in text
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_tokens_valid 0.0" in text
        await browser.post("/logout")
        assert "tokens.carol" not in (await browser.get("/login"))[1]
