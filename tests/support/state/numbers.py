"""What numbers depend on: generators, types, threads; of libraries that are loaded."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

from support.state.kind import Kind, Values, always


class Stream(tuple[Any, ...]):
    """The state of a generator."""

    def __repr__(self) -> str:
        return f"a stream at {hash(self) & 0xFFFFFF:06x}"


def _numbers() -> Values:
    values: dict[str, Any] = {}
    if "sklearn" in sys.modules:  # its import draws
        values["random"] = Stream(random.getstate())
    if numpy := sys.modules.get("numpy"):
        values |= {"numpy.errors": numpy.geterr(), "numpy.print": numpy.get_printoptions()}
        kind, keys, *rest = numpy.random.get_state()
        values["numpy.random"] = Stream((kind, keys.tobytes(), *rest))
    backends, cv2 = sys.modules.get("tithe.imaging.backends"), sys.modules.get("cv2")
    if backends and cv2 and backends.opencv.cache_info().currsize:  # from then on it keeps to one thread
        values["cv2.threads"] = cv2.getNumThreads()
    return values


def _write_number(name: str, value: Any) -> None:
    import numpy as np

    def write_stream(state: Any) -> None:
        kind, keys, *rest = state
        np.random.set_state((kind, np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002

    writers: dict[str, Callable[[Any], object]] = {
        "random": lambda state: random.setstate(tuple(state)),
        "numpy.errors": lambda errors: np.seterr(**errors),
        "numpy.print": lambda options: np.set_printoptions(**options),
        "numpy.random": write_stream,
        "cv2.threads": lambda threads: sys.modules["cv2"].setNumThreads(threads),
    }
    writers[name](value)


def _torch() -> Values:
    torch = sys.modules.get("torch")
    if not torch or not hasattr(torch, "get_rng_state"):
        return {}
    return {
        "random": Stream([torch.get_rng_state().numpy().tobytes()]),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "matmul": torch.get_float32_matmul_precision(),
    }


def _write_torch(name: str, value: Any) -> None:
    import torch

    writers: dict[str, Callable[[Any], object]] = {
        "random": lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state[0]), dtype=torch.uint8)),
        "threads": torch.set_num_threads,
        "dtype": torch.set_default_dtype,
        "grad": torch.set_grad_enabled,
        "deterministic": torch.use_deterministic_algorithms,
        "anomaly": torch.autograd.set_detect_anomaly,
        "autocast": lambda on: torch.set_autocast_enabled("cpu", on),
        "matmul": torch.set_float32_matmul_precision,
    }
    writers[name](value)


KINDS = [
    Kind("numbers", _numbers, _write_number, always),
    Kind("torch", _torch, _write_torch, always),
]
