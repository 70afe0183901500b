"""Engines: independent pieces of work in this process, in its children, or on a Ray cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tithe import config
from tithe.engines import local, ray
from tithe.engines.protocol import Engine

__all__ = ["Engine", "opened"]


def opened(name: str, cluster: config.Cluster, processes: int = 1) -> AbstractContextManager[Engine]:
    """Return the engine of a name, `local` or `ray`, for a `with` block, after which nothing of it runs on.

    Parameters
    ----------
    processes
        Of the engine `local`.

    Raises
    ------
    InputError
        Ray is not installed or not at the address, or has its own number of workers.
    """
    return ray.opened(cluster, processes) if name == "ray" else local.opened(processes)
