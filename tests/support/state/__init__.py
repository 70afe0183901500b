"""The state of the process that one test could leave behind for the next: read, compared, put back."""

from __future__ import annotations

from support.state import logs, modules, numbers, process
from support.state.kind import Leak, Values

KINDS = [*process.KINDS, *logs.KINDS, *modules.KINDS, *numbers.KINDS]


def take() -> list[Values]:
    """Read the state of the process."""
    return [kind.read() for kind in KINDS]


def put_back(before: list[Values]) -> tuple[list[Leak], list[Values]]:
    """Undo what has changed, so that the test that changed it fails and none after it.

    Return what that was, and the state as it is then: a reading takes longer than most tests.
    """
    after = take()
    found = [leak for kind, *read in zip(KINDS, before, after, strict=True) for leak in kind.leaks(*read)]
    for leak in found:
        leak.undo()
    return found, take() if found else after


def message(who: str, found: list[Leak]) -> str:
    """Say what somebody has left behind, a line for each."""
    lines = [f"{who} leaves the process changed: restore it, or use monkeypatch", *map(str, found)]
    return "\n  ".join(lines)
