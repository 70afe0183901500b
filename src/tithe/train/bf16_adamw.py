"""AdamW that keeps its averages of matrices in bf16: half of their memory, rounded at random in every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

_AVERAGES = ("exp_avg", "exp_avg_sq")
_BLOCK = 1 << 17  # weights whose averages are widened at once: they stay in a core's cache
_LOW = 0xFFFF  # the bits of a float32 that bf16 lacks


class Bf16AdamW(torch.optim.AdamW):
    """Fused AdamW whose averages of matrices are bf16 between the steps; those of vectors, few numbers, are float32.

    The nearest bf16 would not do. A step moves the average of squares by a thousandth of its distance (beta2 .999), and
    two bf16 numbers are 1/256 to 1/128 apart: it would never fall again. So a value is rounded up with the probability
    of its distance from the lower neighbour, and is right in the mean (Gupta et al. 2015). What is drawn depends on the
    step, the parameter and the value alone: a resumed run has the same bits, as has a table with some of its rows.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step, as the parent does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, (group, parameter) in enumerate(self._parameters()):
            if parameter.grad is not None:
                self._advance(index, group, parameter)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict of this class, or one in float32, which is rounded to the nearest.

        The parent would give all averages the precision of their weights, and so need the memory of both.
        """
        averages: dict[int, dict[str, torch.Tensor]] = {}

        def without_averages(_: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
            averages.update(state["state"])
            return {**state, "state": {place: {"step": own["step"]} for place, own in state["state"].items()}}

        handle = self.register_load_state_dict_pre_hook(without_averages)  # after those that change their rows
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()
        for place, (_, parameter) in enumerate(self._parameters()):
            for name in _AVERAGES if place in averages else ():
                self.state[parameter][name] = averages[place][name].to(parameter.device, _precision(parameter))

    def _parameters(self) -> Iterator[tuple[dict[str, Any], torch.Tensor]]:
        return ((group, parameter) for group in self.param_groups for parameter in group["params"])

    def _advance(self, index: int, group: dict[str, Any], parameter: torch.Tensor) -> None:
        state, overflow = self.state[parameter], getattr(self, "found_inf", None)
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            for name in _AVERAGES:
                state[name] = torch.zeros_like(parameter, dtype=_precision(parameter))
        state["step"].add_(1)
        draw = drawn(int(state["step"]), index)
        assert parameter.grad is not None
        whole = (parameter, parameter.grad, *(state[name] for name in _AVERAGES))
        for weights, gradients, *averages in zip(*(_blocks(tensor) for tensor in whole), strict=True):
            first, second = (average.to(parameter.dtype) for average in averages)
            torch._fused_adamw_(
                *([weights], [gradients], [first], [second]),
                [],
                [state["step"]],
                amsgrad=False,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
                grad_scale=getattr(self, "grad_scale", None),
                found_inf=overflow,
            )
            if averages[0].dtype != parameter.dtype:
                round_at_random(first, second, draw)
                for average, value in zip(averages, (first, second), strict=True):
                    average.copy_(value)
        if overflow is not None:  # of a scaled loss: the kernel has left everything as it was
            state["step"].sub_(overflow)


def _precision(parameter: torch.Tensor) -> torch.dtype:
    return torch.bfloat16 if parameter.ndim >= 2 else parameter.dtype


def _blocks(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if tensor.numel() <= _BLOCK or tensor.ndim < 2:
        return (tensor,)
    return tuple(torch.split(tensor, max(1, _BLOCK * len(tensor) // tensor.numel())))


def drawn(step: int, index: int) -> tuple[int, int]:
    """Return the hash function of a step and a parameter: an odd factor and a summand, int32."""
    factor, summand = np.random.default_rng([step, index]).integers(-(2**31), 2**31, 2).tolist()
    return factor | 1, summand


def round_at_random(first: torch.Tensor, second: torch.Tensor, draw: tuple[int, int]) -> None:
    """Round two float32 tensors in place to numbers that bf16 has, which are right in the mean over draws.

    A number below 2^16, added to the bits of a float32, carries into the part that bf16 has as often as it should; a
    value that bf16 has stays. The numbers are the high bits of factor · bits + summand (Dietzfelbinger 1996). Both
    tensors have the same ones.
    """
    first_bits, second_bits = first.view(torch.int32), second.view(torch.int32)
    factor, summand = draw
    number = (second_bits * factor).add_(summand).bitwise_right_shift_(16).bitwise_and_(_LOW)
    for bits in (first_bits, second_bits):
        bits.add_(number).bitwise_and_(~_LOW)
