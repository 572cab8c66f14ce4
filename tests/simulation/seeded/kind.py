"""What a seeded fault is."""

from collections.abc import Callable

import pytest

Seed = Callable[[pytest.MonkeyPatch], None]
"""Puts one mistake into the worker."""
