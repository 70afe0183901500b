"""One Ray of two CPUs for all tests of the engine; they are in one file, so that one process starts it."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator

import pytest

from support import ray_forks
from support.engines import BUSY
from tithe import config, engines
from tithe.errors import TitheError


@pytest.fixture(scope="session")
def forks() -> Iterator[ray_forks.Forks]:
    """What starts the workers: they begin with the libraries imported, except inside `plain`."""
    with ray_forks.running() as forks:
        yield forks


@pytest.fixture(scope="session")
def ray(forks: ray_forks.Forks) -> Iterator[config.Cluster]:
    """Two workers on this machine."""
    cluster = config.Cluster(num_workers=2)
    with contextlib.ExitStack() as stack:
        for left in (2, 1, 0):
            try:
                with forks.patched():
                    stack.enter_context(engines.opened("ray", cluster))
                break
            except TitheError as error:
                if BUSY not in str(error):
                    raise
            with warnings.catch_warnings():  # Ray leaves its processes to the garbage
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            if not left:
                pytest.skip("three times Ray did not start in its half minute: the machine is too busy")
        yield cluster
