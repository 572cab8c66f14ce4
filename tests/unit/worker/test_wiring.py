"""The worker put together: what its parts are given of each other."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from streams.partners import PartnersFile
from streams.settings import Settings
from streams.worker import wiring
from streams.worker.writes import Writes
from tests.unit.bench import partner


async def test_the_caller_knows_which_entries_are_in_force(tmp_path, monkeypatch):
    """Whatever was read of the partners file since the worker was built."""
    given: dict[str, Any] = {}

    async def nothing(*_: Any) -> None:
        """Have nothing to wait for."""

    monkeypatch.setattr(wiring, "WebhookClient", lambda **options: given.update(options))
    settings = Settings.model_validate({"partners_file": tmp_path / "partners.yaml"})
    first = partner("p")
    partners = SimpleNamespace(current={"p": first})
    apps = wiring.build_worker(settings, cast(PartnersFile, partners), nothing)
    assert apps
    changed = replace(first)
    assert [given["in_force"](entry) for entry in (first, changed)] == [True, False]
    partners.current = {"p": changed}
    assert [given["in_force"](entry) for entry in (first, changed)] == [False, True]
    partners.current = {}
    assert not given["in_force"](changed)


async def test_the_applications_know_of_the_writes(tmp_path):
    """Of one process, all of the same."""

    async def nothing(*_: Any) -> None:
        """Have nothing to wait for."""

    settings = Settings.model_validate({"partners_file": tmp_path / "partners.yaml"})
    partners = cast(PartnersFile, SimpleNamespace(current={}))
    apps = wiring.build_worker(settings, partners, nothing)
    (refused,) = {app.writes_are_refused for app in apps}
    assert isinstance(cast(Any, refused).__self__, Writes)
