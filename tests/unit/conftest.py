"""What tests of the parts share."""

import functools
import logging

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams.operator.commands.common import speak_json
from streams.partners import files


@pytest.fixture(autouse=True)
def logging_as_before():
    """Take back the log handlers that a command set up: they write to streams that end with its test."""
    known = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in known]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.propagate = propagate
        if logger.level != level:  # setting it clears a cache of every logger there is
            logger.setLevel(level)


@pytest.fixture(autouse=True)
def no_program_listens():
    """Forget that the command of an earlier test was told --json."""
    speak_json(value=False)


@pytest.fixture(scope="session", autouse=True)
def keys_checked_once():
    """Keep private keys by their text: OpenSSL's check of one costs 50 ms, and the same few are loaded 400 times."""
    loaded = functools.cache(load_pem_private_key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "load_pem_private_key", loaded)
        yield
