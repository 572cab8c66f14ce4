"""The chart, rendered once for each set of values."""

from functools import cache

import pytest

from tests.helm.helm import CHART, Helm, NoHelm

MATRIX = tuple(
    sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
)
"""Names of the sets of values that the chart is rendered with."""


def pytest_generate_tests(metafunc):
    """A test that asks for `case` runs with each set of values."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", MATRIX)


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """Helm; skips where there is none."""
    try:
        return Helm(tmp_path_factory.mktemp("helm"))
    except NoHelm as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def kubernetes():
    """The schemas of Kubernetes. A second to import, which only the process that runs these tests needs to spend."""
    import kubernetes_validate  # type: ignore[import-untyped]  # noqa: PLC0415

    return kubernetes_validate


@pytest.fixture(scope="session")
def jsonschema():
    """The validator; as slow to import."""
    import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415

    return jsonschema


@pytest.fixture(scope="session")
def rendered(helm):
    """Return the objects of a set of values, by its name; not to be changed."""
    return cache(helm.objects)


@pytest.fixture(scope="session")
def named():
    """Pick the one object of a kind whose name ends so."""

    def pick(objects, kind, suffix=""):
        found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"].endswith(suffix)]
        assert len(found) == 1, [o["metadata"]["name"] for o in found]
        return found[0]

    return pick
