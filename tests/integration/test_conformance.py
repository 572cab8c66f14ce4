"""`notifier conformance`: a receiver that was written from the partner guide passes, and each kind of broken one does not."""

import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.keys import PARTNERS, write_partners_file
from streams.webhook.conformance import SITUATIONS
from tests.support.notifier import notifier

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PROFILE = "alipay-plus-to-acquirer"
ENTRY = PARTNERS[PROFILE]


@pytest.fixture
def play(keys, tmp_path):
    """Run the command against a URL, with options of the partner's entry."""

    async def run(url, *arguments, profile=PROFILE, code=0, **options):
        urls = dict.fromkeys(PROFILES, url)
        file = write_partners_file(tmp_path, urls, keys, options={PARTNERS[profile]: options})
        settings = {"NOTIFIER_PARTNERS_FILE": str(file), "NOTIFIER_EGRESS_ALLOW": "127.0.0.0/8"}
        done = await notifier(
            "conformance", url, "--partner", PARTNERS[profile], *arguments, settings=settings
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    return run


@pytest.fixture
def start(keys, tmp_path):
    """Start the receiver in Node beside the page's own code, with a text in it replaced; returns its URL."""
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    (code,) = re.findall(
        r"```js\n(.*?)```", (ROOT / "docs/partner-guide.md").read_text(), re.DOTALL
    )
    (tmp_path / "signatures.mjs").write_text(code, encoding="utf-8")
    program = (ROOT / "tests/receivers/receiver.mjs").read_text()
    files = (keys.sender.public, keys.receiver.private, keys.server.certificate, keys.server.key)
    with ExitStack() as stack:

        def run(old="", new=""):
            assert old in program
            (tmp_path / "receiver.mjs").write_text(program.replace(old, new) if old else program)
            command = ["node", "receiver.mjs", *map(str, files)]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)  # noqa: S603  # the receiver under test
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            return f"https://127.0.0.1:{process.stdout.readline().strip()}/notify?shop=7"

        yield run


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_receiver_written_from_the_guide_passes(play, start, profile):
    """For each profile, every situation; the report names all that both sides have to know."""
    done = await play(start(), profile=profile)
    lines = done.stdout.splitlines()
    count = len(SITUATIONS)
    assert f"The receiver passed. {count} of {count} situations passed." in lines
    for fact in ("receiver", "client id", "our public key sha256", "time", "notifier"):
        assert any(line.startswith(f"| {fact} | ") for line in lines)
    assert "?shop" not in done.stdout
    assert "broken" not in done.stdout


@pytest.mark.parametrize(
    ("script", "options", "failed", "rule"),
    [
        ("unsigned", {}, {"first-call", "slow"}, "missing-signature"),
        ("U", {}, {"first-call", "cancelled"}, "not-acknowledged"),
        ("http:500", {}, {"first-call", "repeat"}, "http-status"),
        ("refuse", {}, {"first-call", "odd-bytes"}, "no-answer"),
        ("never", {"attempt_timeout_seconds": 1}, {"first-call"}, "no-answer"),
    ],
)
async def test_a_broken_receiver_is_told_what_to_mend(  # noqa: PLR0913, PLR0917  # fixtures and cases
    play, partner, script, options, failed, rule
):
    """Each kind of answer that counts for nothing: the situation fails, with the broken rule."""
    url = partner.notify_url(PROFILE, script)
    said = json.loads((await play(url, "--json", code=1, **options)).stdout)
    situations = {each["name"]: each for each in said["situations"]}
    assert len(situations) == len(SITUATIONS)
    for name in failed:
        assert situations[name]["passed"] is False
        assert rule in [finding["rule"] for finding in situations[name]["findings"]]


@pytest.mark.parametrize(
    ("old", "new", "failed", "rule"),
    [
        ("if (!verify(", "if (false && !verify(", {"stranger", "changed-body", "unsigned"}, "forgery-taken"),
        ("sign(receiverKey, request.url,", 'sign(receiverKey, request.url.split("?")[0],', {"first-call", "query"}, "path-without-query"),
        ("if (!taken.has(orderId))", 'if (taken.has(orderId)) return result("F", "PROCESS_FAIL", ""); if (!taken.has(orderId))', {"repeat", "twice-at-once"}, "not-acknowledged"),
        ('const notification = JSON.parse(body.toString("utf8"));', 'const notification = JSON.parse(body.toString("utf8")); if (notification.extendInfo) throw new Error("unknown member");', {"odd-bytes"}, "not-acknowledged"),
    ],
)  # fmt: skip
async def test_a_receiver_with_one_mistake_fails_where_it_was_made(  # noqa: PLR0913, PLR0917  # fixtures and cases
    play, start, old, new, failed, rule
):
    """Believing everybody, signing without the query, refusing repeats or unknown members: named, with exit code 1."""
    done = await play(start(old, new), "--json", code=1)
    assert "shop=7" not in done.stdout
    said = json.loads(done.stdout)
    for each in said["situations"]:
        if each["name"] in failed:
            assert each["passed"] is False, each
            assert rule in [finding["rule"] for finding in each["findings"]]
    assert said["passed"] is False
