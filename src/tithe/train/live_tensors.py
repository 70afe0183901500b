"""Bytes of the tensors that a piece of code holds at its peak, counted operation by operation."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tithe.models.partial.layers import tensors_in


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of all tensors that are made in its block and still in use, a backward pass included.

    Tensors from before the block are not counted, nor is what a kernel allocates for itself. The count is the same on
    every machine.

    Attributes
    ----------
    peak
        The largest number of bytes so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        self._storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and count what it made."""
        for tensor in tensors_in([args, kwargs or {}]):
            self._follow(tensor, 0)  # made before the block, or outside of torch
        outputs = func(*args, **(kwargs or {}))
        for tensor in tensors_in(outputs):
            self._follow(tensor, tensor.untyped_storage().nbytes())
        return outputs

    def _follow(self, tensor: torch.Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._storages:
            return
        self._now += size
        self.peak = max(self.peak, self._now)

        def forget(_: object) -> None:
            self._now -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, forget)
