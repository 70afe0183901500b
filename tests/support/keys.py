"""Which documented keys the tests show the effect of."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from types import FunctionType


def shows(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which keys a test shows the effect of."""

    def note(test: Callable[..., None]) -> Callable[..., None]:
        test.shows = keys  # type: ignore[attr-defined]
        return test

    return note


def shown(*files: Path) -> set[str]:
    """The keys whose effect some test of these files shows."""
    tests = (value for file in files for value in runpy.run_path(str(file)).values())
    return {key for test in tests if isinstance(test, FunctionType) for key in getattr(test, "shows", ())}
