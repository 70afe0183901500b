"""What a process has of its system: environment, current folder, signals, limits."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from support.state.kind import ABSENT, Kind, Values

# What pytest sets around each phase of a test, and what imports set once: torch's compiler, OpenCV, scikit-learn.
OF_PYTEST = {"PYTEST_CURRENT_TEST"}
OF_IMPORTS = {"TORCHINDUCTOR_CACHE_DIR", "LD_LIBRARY_PATH", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}


def _environment() -> Values:
    return {name: value for name, value in os.environ.items() if name not in OF_PYTEST | OF_IMPORTS}


def _write_environment(name: str, value: Any) -> None:
    if value is ABSENT:
        del os.environ[name]
    else:
        os.environ[name] = value


def _folder() -> Values:
    try:
        return {"cwd": os.getcwd()}  # noqa: PTH109  # a deleted one is a leak too, and raises
    except FileNotFoundError:
        return {"cwd": "a deleted folder"}


_LISTS = {"path": lambda: sys.path, "argv": lambda: sys.argv}


def _write_list(name: str, value: Any) -> None:
    _LISTS[name]()[:] = value


def _signals() -> Values:
    # SIGCHLD is torch's from its first worker on, for the whole process.
    return {signum.name: signal.getsignal(signum) for signum in signal.Signals if signum != signal.SIGCHLD}


def _write_signal(name: str, value: Any) -> None:
    signal.signal(signal.Signals[name], value)


def _process() -> Values:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "umask": mask,
        "euid": os.geteuid(),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "file size": resource.getrlimit(resource.RLIMIT_FSIZE),
        "tracemalloc": tracemalloc.is_tracing(),
        "gc": gc.isenabled(),
        "recursion": sys.getrecursionlimit(),
    }


def _write_process(name: str, value: Any) -> None:
    writers: dict[str, Callable[[Any], object]] = {
        "umask": os.umask,
        "euid": os.seteuid,
        "open files": lambda limits: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        "file size": lambda limits: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
        "tracemalloc": lambda on: tracemalloc.start() if on else tracemalloc.stop(),
        "gc": lambda on: gc.enable() if on else gc.disable(),
        "recursion": sys.setrecursionlimit,
    }
    writers[name](value)


KINDS = [
    Kind("environment variable", _environment, _write_environment),
    Kind("current folder", _folder, lambda _, value: os.chdir(value)),
    Kind("sys", lambda: {name: list(get()) for name, get in _LISTS.items()}, _write_list),
    Kind("signal handler", _signals, _write_signal),
    Kind("process", _process, _write_process),
]
