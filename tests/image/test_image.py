"""The image as it runs in a pod: uid 10001, a read-only root, no capabilities, SIGTERM."""

import hashlib
import shutil

import pytest

from streams.sandbox.payments import payment_event
from tests.image.container import UID
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.image,
    pytest.mark.kafka,
    pytest.mark.e2e,
    pytest.mark.timeout(580),
]

NOTHING = "0000000000000000"


def test_it_says_who_it_is_and_how_it_starts(image):
    """A numeric user that is not root, an entry point in exec form, labels, and no setting baked in."""
    config = image.config["config"]
    assert config["User"] == f"{UID}:{UID}"
    assert config["Entrypoint"] == ["/opt/notifier/bin/notifier"]
    assert config["Cmd"] == ["worker"]
    assert config["Labels"]["org.opencontainers.image.version"] == "9.9.9"
    assert not [entry for entry in config["Env"] if entry.startswith("NOTIFIER_")]
    assert config.get("Volumes") in (None, {})


def test_no_tool_and_no_leftover_of_the_build_is_in_it(image):
    """No compiler, no build folder, no cache, no source outside of the installed packages."""
    root = image.rootfs
    assert not [
        tool
        for tool in ("gcc", "cc", "c++", "make", "ld")
        if any((root / place / tool).exists() for place in ("usr/bin", "usr/local/bin"))
    ]
    assert not (root / "build").exists()
    assert not (root / "root/.cache").exists()
    (packages,) = (root / "opt/notifier/lib").glob("python3.*/site-packages")
    assert not (packages / "pip").exists()
    assert not list(packages.glob("aiohttp_cors*"))  # Faust's, never imported
    assert (packages / "faust").is_dir()
    assert (packages / "streams/cli.py").is_file()
    assert not list(root.glob("opt/**/*.pem.key"))


def test_the_command_runs_without_any_setting(start):
    """`notifier ladder` needs nothing: the installed wheel works as uid 10001 on a read-only root."""
    container = start(["ladder", "--json"])
    assert container.wait() == 0, container.log
    assert "mpp-to-alipay-plus" in container.log


def test_any_user_may_run_it(start):
    """A uid that nobody gave it, in group 0, as OpenShift chooses them, is enough for everything that it reads and writes."""
    container = start(["ladder", "--json"], user="1000650000:0")
    assert container.wait() == 0, container.log
    assert "mpp-to-alipay-plus" in container.log


async def test_the_rehearsals_partner_is_in_it(start):
    """A first install needs no other image: the scripted partner makes its keys and listens, without the rehearsal's broker."""
    container = start(
        ["sandbox", "partner", "--directory", "rehearsal"]
    )  # below the image's folder
    await eventually(lambda: _said(container, "the partner listens on"), 60, what="the partner")
    container.terminate()
    assert container.wait(30) == 0, container.log


def test_two_builds_differ_in_nothing(image):
    """The same source gives the same files: names, owners, modes, times and bytes, twice fetched and twice installed."""
    first, second = (
        contents(image.rootfs),
        contents(image.build("localhost/payment-notifier:again")),
    )
    differing = sorted(
        path for path in first.keys() | second.keys() if first.get(path) != second.get(path)
    )
    assert differing == []
    assert len(first) > 3000


def test_what_has_no_wheel_is_built_from_its_locked_source(image, start):
    """Elsewhere than on x86-64 faust-streaming has no wheel: it is built without a compiler, and the command runs with it."""
    tag = "localhost/payment-notifier:from-source"
    rootfs = image.build(tag, "--build-arg", "FROM_SOURCE=faust-streaming")

    def wheel(root):
        (path,) = root.glob("opt/notifier/lib/python3.*/site-packages/faust_streaming-*/WHEEL")
        return path.read_text("utf-8")

    assert "Root-Is-Purelib: true" in wheel(rootfs)
    assert "Root-Is-Purelib: false" in wheel(image.rootfs)
    assert not list(rootfs.glob("opt/notifier/lib/python3.*/site-packages/faust/**/*.so"))
    container = start(["ladder", "--json"], rootfs=rootfs)
    assert container.wait() == 0, container.log


def test_a_missing_setting_ends_it_with_words(start):
    """Without settings the worker ends with 1 and names the setting."""
    container = start()
    assert container.wait() == 1
    assert "NOTIFIER_PARTNERS_FILE" in container.log


async def test_worker_delivers_and_drains_on_sigterm(start, make_deployment, tmp_path):
    """The worker delivers; at SIGTERM it finishes the calls in flight, commits them, and ends with 0."""
    async with make_deployment() as deployment:
        settings = deployment.settings(web_port=0, web_bind="127.0.0.1")
        folder = _readable_copy(deployment, tmp_path)
        settings["NOTIFIER_PARTNERS_FILE"] = str(folder / "partners.yaml")
        container = start(settings=settings, mounts=[folder])
        try:
            await eventually(lambda: _said(container, "listening on"), 60, what="the web port")
            first = await deployment.send([_event(deployment) for _ in range(20)])
            await deployment.delivered(first, 60)

            status = container.status()
            assert status["Uid"].split() == [str(UID)] * 4
            assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {NOTHING}
            assert status["NoNewPrivs"] == "1"

            slow = await deployment.send([_event(deployment, "slow:2") for _ in range(20)])
            await eventually(lambda: _arrived(deployment, slow), what="all calls in flight")
            container.terminate()
            assert container.wait(30) == 0, container.log
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{container.log[-6000:]}") from error  # noqa: EM102, TRY003  # a test's own words
        attempts = await deployment.attempts()
        told = [item["order_id"] for item in attempts if item.get("decision") == "delivered"]
        assert sorted(told) == sorted(first + slow)
        assert all(len(deployment.requests(order)) == 1 for order in first + slow)
        await deployment.all_committed()
        assert "Traceback" not in container.log


def contents(root):
    """Return what a root holds: of each path its kind and mode, owners, time, and bytes or target."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        if path.is_symlink():
            what = str(path.readlink())
        else:
            what = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        when = "" if path.is_dir() and not path.is_symlink() else int(status.st_mtime)
        found[str(path.relative_to(root))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            when,
            what,
        )
    return found


def _event(deployment, script=""):
    profile = "mpp-to-alipay-plus"
    url = deployment.partner.notify_url(profile, script)
    return payment_event(profile, rng=deployment.rng, notify_url=url)


async def _said(container, words):
    assert container.alive, container.log
    return words in container.log


async def _arrived(deployment, orders):
    return all(deployment.requests(order) for order in orders)


def _readable_copy(deployment, directory):
    """Copy partners file and keys as a mounted Secret has them: one folder, group 10001, no others."""
    text = deployment.partners_file.read_text("utf-8")
    keys = deployment.keys
    for path in (keys.sender.private, keys.receiver.public, keys.ca):
        shutil.copy(path, directory / path.name)
        text = text.replace(str(path.absolute()), path.name)
    (directory / "partners.yaml").write_text(text, "utf-8")
    for path in (directory, *directory.iterdir()):
        shutil.chown(path, group=UID)
        path.chmod(0o750 if path.is_dir() else 0o440)
    return directory
