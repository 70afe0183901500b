"""A run's own stream of random numbers, so that no run disturbs another's and a resumed one goes on exactly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils import gather_object


class RandomStream:
    """This run's own stream of torch's global generators, put in place only while a step computes.

    Dropout can draw from the global generators alone; outside of a step they are the caller's, untouched.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.cuda = device if device.type == "cuda" else None
        with self._others_kept():
            torch.manual_seed(seed)
            self.state = self._read()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this stream inside the block; a block that raises leaves the stream where it was."""
        with self._others_kept():
            self._write(self.state)
            yield
            self.state = self._read()

    def gathered(self) -> dict[str, Any]:
        """Return the streams of all processes, in the order of their ranks."""
        return {"processes": gather_object([self.state])}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take this process's stream from a snapshot; another number of processes starts its own."""
        rank, world = PartialState().process_index, PartialState().num_processes
        if len(saved["processes"]) == world:
            self.state = saved["processes"][rank]

    @contextlib.contextmanager
    def _others_kept(self) -> Iterator[None]:
        outer = self._read()
        try:
            yield
        finally:
            self._write(outer)

    def _read(self) -> dict[str, torch.Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self.cuda is not None:
            state["cuda"] = torch.cuda.get_rng_state(self.cuda)
        return state

    def _write(self, state: Mapping[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if self.cuda is not None and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.cuda)
