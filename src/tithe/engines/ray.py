"""The engine of a Ray cluster (Moritz et al. 2018): a running one, or one of this machine for the length of a command.

Only Ray's core is used. Its workers are actors, which keep what they have opened; see `workers`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

from tithe import config, plugins, storage
from tithe.engines.protocol import Engine, Item, Result
from tithe.engines.workers import Workers
from tithe.errors import InputError, TitheError

_STORE = 200 * 2**20  # bytes of the object store of a Ray of one machine: what is sent are inputs of a few batches
# Of a Ray that is started here, whose processes inherit them: nothing is reported to anybody, and no other user of the
# machine has the token, which Ray would write into the home folder.
_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_TOKEN": secrets.token_hex(16),
}


@contextlib.contextmanager
def opened(cluster: config.Cluster, processes: int = 1) -> Iterator[Engine]:
    """Yield an engine on a cluster; where this process is connected to one already, on that.

    Raises
    ------
    InputError
        Ray is not installed, there is no cluster at the address, or `processes` is not 1.
    """
    if processes != 1:
        raise InputError(f"--processes {processes} is for engine local: set cluster.num_workers for engine ray")
    with contextlib.ExitStack() as stack:
        yield _Cluster(stack.enter_context(connected(cluster)), cluster, stack)


@contextlib.contextmanager
def connected(cluster: config.Cluster) -> Iterator[ModuleType]:
    """Yield the module `ray`, connected to a cluster; where this process is connected to one already, to that.

    Raises
    ------
    InputError
        Ray is not installed, or there is no cluster at the address.
    """
    ray = plugins.require("ray", extra="ray")
    with contextlib.nullcontext() if ray.is_initialized() else _connected(ray, cluster):
        yield ray


class _Cluster:
    def __init__(self, ray: ModuleType, cluster: config.Cluster, stack: contextlib.ExitStack) -> None:
        self._ray, self._cluster, self._stack = ray, cluster, stack

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        with contextlib.closing(Workers(self._ray, self._cluster, function)) as workers:
            # An exception that leaves the caller's loop keeps this generator, and so this block, open for a while.
            self._stack.callback(workers.close)
            yield from workers.results(items)


@contextlib.contextmanager
def _connected(ray: ModuleType, cluster: config.Cluster) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if cluster.address:
            how: dict[str, object] = {"address": cluster.address}
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            how = {"address": "local", "object_store_memory": _STORE, "include_dashboard": False, "_temp_dir": folder}
            if cluster.num_workers:
                how["num_cpus"] = cluster.cpus_per_worker * cluster.num_workers
        stack.callback(_leave, ray)
        try:
            _init(ray, {} if cluster.address else _OWN, how)
        except ConnectionError:
            raise InputError(
                f"no Ray cluster at {cluster.address}: start one with 'ray start --head', or leave cluster.address "
                "empty for one of this machine"
            ) from None
        except Exception as error:  # of no class of its own, where the machine is too busy for the half minute it has
            why = str(error).partition(". ")[0]
            raise TitheError(
                f"Ray does not start ({why}): leave the machine some time and memory, and try again"
            ) from error
        yield


def _init(ray: ModuleType, variables: dict[str, str], how: dict[str, object]) -> None:
    """Connect, and leave variables, logs, signals and Python's random numbers as they are: Ray changes all four."""
    handler, logger = signal.getsignal(signal.SIGTERM), logging.getLogger("ray")
    level, handlers = logger.level, list(logger.handlers)
    with contextlib.ExitStack() as stack:
        for name, value in variables.items():
            stack.enter_context(storage.environment_variable(name, value))
        stack.callback(_drop_variables, set(os.environ))
        stack.callback(logger.setLevel, level)
        stack.callback(logger.handlers.extend, handlers)  # removed by Ray
        stack.callback(random.setstate, random.getstate())
        if threading.current_thread() is threading.main_thread():
            stack.callback(signal.signal, signal.SIGTERM, handler)
        logger.setLevel(logging.ERROR)
        ray.init(log_to_driver=False, configure_logging=False, logging_level="error", **how)


def _leave(ray: ModuleType) -> None:
    numbers = random.getstate()  # of which Ray draws names, now and then also here
    ray.shutdown()
    random.setstate(numbers)


def _drop_variables(before: set[str]) -> None:
    for name in os.environ.keys() - before:
        del os.environ[name]
