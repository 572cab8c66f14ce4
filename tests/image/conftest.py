"""The image, built once for the run."""

import shutil
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.image.container import Container, Image, Start, lacking


@pytest.fixture(scope="session")
def root():
    """The top folder of the repository."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def image(root, tmp_path_factory):
    """The image built from this tree; skips where the tools are missing."""
    if reason := lacking():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("image")
    yield Image(root, directory)
    shutil.rmtree(directory, ignore_errors=True)  # hundreds of megabytes


@pytest.fixture
def start(image, tmp_path_factory):
    """Start containers, which end with the test."""
    with ExitStack() as stack:

        def run(arguments=None, **options):
            directory = tmp_path_factory.mktemp("container")
            return stack.enter_context(
                closing(Container(image, directory, Start(arguments, **options)))
            )

        yield run
