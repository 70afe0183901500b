"""Engines: independent pieces of work in this process, in its children, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from tithe import config
from tithe.engines import gang, local, ray
from tithe.engines.protocol import Engine

__all__ = ["Engine", "opened", "together"]

Result = TypeVar("Result")


def opened(name: str, cluster: config.Cluster, processes: int = 1) -> AbstractContextManager[Engine]:
    """Return the engine of a name, `local` or `ray`, for a `with` block, after which nothing of it runs on.

    A process of a group works by itself: the cluster's workers are the group.

    Parameters
    ----------
    processes
        Of the engine `local`.

    Raises
    ------
    InputError
        Ray is not installed or not at the address, or has its own number of workers.
    """
    is_ray = name == "ray" and not gang.is_member()
    return ray.opened(cluster, processes) if is_ray else local.opened(processes)


def together(cluster: config.Cluster, function: Callable[[int], Result], tick: Callable[[], None]) -> Result:
    """Call a function in several processes of a Ray cluster at once, which are one process group; see `gang.call`."""
    with ray.connected(cluster) as connected:
        return gang.call(connected, cluster, function, tick)
