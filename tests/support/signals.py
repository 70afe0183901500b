"""Signals that arrive at an exact step."""

from __future__ import annotations

import signal


def asked_after(step: int) -> type:
    """A stand-in for `interrupts.Asked`: SIGINT arrives exactly after a step, where a real one would come at any."""
    from tithe import interrupts

    class At(interrupts.StopRequest):
        asked = 0

        @property
        def signum(self) -> int:  # read once after every step
            type(self).asked += 1
            return signal.SIGINT if type(self).asked >= step else 0

    return At
