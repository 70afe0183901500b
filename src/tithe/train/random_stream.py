"""A run's own random stream: runs do not affect each other, and a resumed run continues exactly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils import gather_object


class RandomStream:
    """A run's own state of torch's global generators, which is active only inside a step.

    Dropout can only draw from the global generators; outside a step they keep the caller's state.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.cuda = device if device.type == "cuda" else None
        with self._outer_restored():
            torch.manual_seed(seed)
            self.state = self._read()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this stream inside the block; if the block raises, the stream does not advance."""
        with self._outer_restored():
            self._write(self.state)
            yield
            self.state = self._read()

    def gathered(self) -> dict[str, Any]:
        """Return the states of all processes, in the order of their ranks."""
        return {"processes": gather_object([self.state])}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Restore this process's state from a snapshot, unless that has another number of processes.

        On a GPU after a CPU, its generator begins with the seed.
        """
        rank, world = PartialState().process_index, PartialState().num_processes
        if len(saved["processes"]) == world:
            self.state = {**self.state, **saved["processes"][rank]}

    @contextlib.contextmanager
    def _outer_restored(self) -> Iterator[None]:
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
