"""What tests of the parts share."""

import logging

import pytest


@pytest.fixture(autouse=True)
def logging_as_before():
    """Take back the log handlers that a command set up: they write to streams that end with its test."""
    known = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in known]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.propagate = propagate
        logger.setLevel(level)
