"""Which device, how many processes, which precision: asked for, possible, and decided."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import GradScalerKwargs

from tithe.errors import InputError
from tithe.train import memory

logger = logging.getLogger("tithe")


@dataclass(frozen=True)
class Precision:
    """The precision to train in, and why when it isn't the one asked for."""

    name: str
    note: str = ""


def bf16_is_native(device: torch.device) -> bool:
    """Say whether a device multiplies bf16 matrices in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return any(bool(abilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))
    return False


def precision(asked: str, device: torch.device) -> Precision:
    """Decide the precision of mixed-precision training.

    fp16 exists on CUDA alone; on other devices bf16 takes its place where it is native, float32 elsewhere.
    """
    native = bf16_is_native(device)
    best = "bf16" if native else "no"
    if asked == "auto":
        return Precision(best)
    if asked == "fp16" and device.type != "cuda":
        return Precision(best, f"fp16 needs a CUDA GPU: training in {'bf16' if native else 'float32'} instead")
    if asked == "bf16" and not native:
        return Precision("no", f"this {device.type} has no native bf16, emulation is slower: training in float32")
    return Precision(asked)


# fp16's loss scale for networks that overflow easily: a low start, slow growth, a quick retreat.
_CAREFUL = GradScalerKwargs(init_scale=128.0, growth_factor=1.5, backoff_factor=0.75, growth_interval=100)


def accelerator(device: str = "auto", asked: str = "no", careful_scaling: bool = False) -> Accelerator:
    """Return a fresh Accelerator for this process: its device, its rank among processes, its precision.

    Raises
    ------
    InputError
        The device is not there.
    """
    _check(device)
    # The library keeps one precision per process; runs in one process may each choose theirs.
    AcceleratorState._reset_state()
    state = PartialState(cpu=device == "cpu")
    if state.device.type == "cpu":
        memory.keep_memory()
    decided = precision(asked, state.device)
    if decided.note:
        logger.warning(decided.note)
    handlers = [_CAREFUL] if careful_scaling else []
    return Accelerator(cpu=device == "cpu", mixed_precision=decided.name, kwargs_handlers=handlers)


def _check(device: str) -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise InputError(f"device '{device}' is not available here: set train.device to auto or cpu")
