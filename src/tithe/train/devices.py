"""Device, processes and precision: which are requested, which are available, and which are used."""

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
    """The precision to train in, and a note if it is not the requested one."""

    name: str
    note: str = ""


def bf16_is_native(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 matrices in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))
    return False


def precision(requested: str, device: torch.device) -> Precision:
    """Decide the precision of training.

    fp16 needs CUDA; other devices use bf16 instead where it is native, else float32.
    """
    native = bf16_is_native(device)
    best = "bf16" if native else "no"
    if requested == "auto":
        return Precision(best)
    if requested == "fp16" and device.type != "cuda":
        return Precision(best, f"fp16 needs a CUDA GPU: training in {'bf16' if native else 'float32'} instead")
    if requested == "bf16" and not native:
        return Precision("no", f"this {device.type} has no native bf16, and emulation is slow: training in float32")
    return Precision(requested)


# fp16's loss scale for networks that overflow easily: small at first, growing slowly.
_CAREFUL = GradScalerKwargs(init_scale=128.0, growth_factor=1.5, backoff_factor=0.75, growth_interval=100)


def accelerator(device: str = "auto", mixed_precision: str = "no", careful_scaling: bool = False) -> Accelerator:
    """Return a new Accelerator for this process, with its device, rank and precision.

    Raises
    ------
    InputError
        The device is not available, or a variable of the launcher has a wrong value.
    """
    _check(device)
    AcceleratorState._reset_state()
    try:
        state = PartialState(cpu=device == "cpu")
    except ValueError as error:
        raise InputError(
            f"a variable of the launcher is wrong ({error}): start with torchrun or accelerate launch, or unset RANK, "
            "LOCAL_RANK, WORLD_SIZE and ACCELERATE_*"
        ) from None
    if state.device.type == "cpu":
        memory.keep_memory()
    decided = precision(mixed_precision, state.device)
    if decided.note:
        logger.warning(decided.note)
    handlers = [_CAREFUL] if careful_scaling else []
    made = Accelerator(cpu=device == "cpu", mixed_precision=decided.name, kwargs_handlers=handlers)
    # Accelerate keeps one precision per process, but runs in one process may differ: each keeps its own.
    made.state.__dict__ = dict(made.state.__dict__)
    return made


def _check(device: str) -> None:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise InputError(f"device '{device}' is not available here: set train.device to auto or cpu")
