"""What no test notices is explained, and no explanation outlives its mutant."""

import importlib

import pytest

from tests.mutants.survivors import Survivor, compare, explained, survivor_of

SHOWN = """# streams.notification.ladder.x_wait__mutmut_1: survived
--- streams/notification/ladder.py
+++ streams/notification/ladder.py
@@ -1,4 +1,4 @@
 def wait():
-    return 1
+    return 2
"""


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("streams.notification.ladder.x_wait__mutmut_1", "streams.notification.ladder.wait"),
        ("streams.worker.settle.x__clock_offset__mutmut_12", "streams.worker.settle._clock_offset"),
        (
            "streams.worker.settle.xǁSettlerǁ_write__mutmut_3",
            "streams.worker.settle.Settler._write",
        ),
    ],
)
def test_a_mutant_is_known_by_its_function_and_its_change(name, function):
    """And not by its number, which moves with every change before it."""
    survivor = survivor_of(name, "survived", SHOWN)
    assert survivor == Survivor(function, "-return 1\n+return 2")


def test_another_form_of_mutmuts_names_is_said():
    """Instead of taking every mutant for another one."""
    with pytest.raises(ValueError, match="mutmut names a mutant 'wait#1'; expected"):
        survivor_of("wait#1", "survived", SHOWN)


def test_what_is_not_explained_and_what_explains_nothing_are_faults():
    """One of each; a second mutant of the same change needs an entry of its own; one not run is not explained."""
    one, two = Survivor("f", "-a\n+b"), Survivor("f", "-a\n+c")
    assert compare([one], [one]) == []
    (unexplained,) = compare([one, two], [one])
    assert "f: survived and not explained" in unexplained
    assert "+c" in unexplained
    (stale,) = compare([], [one])
    assert "remove it from explained.toml" in stale
    assert len(compare([one, one], [one])) == 1
    assert len(compare([Survivor("f", "-a\n+b", "no tests")], [one])) == 2


def test_every_explanation_names_a_function_that_there_is():
    """`make mutants` compares the changes; this much is seen without it."""
    for survivor in explained():
        module, *names = survivor.function.rpartition(".")[0], survivor.function.rpartition(".")[2]
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, kind = module.rpartition(".")
            found = getattr(importlib.import_module(module), kind)
        assert callable(getattr(found, names[0])), survivor.function
        assert survivor.change.startswith("-")


def test_an_explanation_without_a_reason_is_refused(tmp_path):
    """The reason is what the list is for."""
    path = tmp_path / "explained.toml"
    path.write_text(
        '[[explained]]\nfunction = "f"\nwhy = " "\nchanges = ["-a"]\n', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="an entry of f has no reason"):
        explained(path)
