"""A member under test, however it is given, and what no member may touch."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from numpy.random import get_state

from tithe import interrupts, plugins


def open_member(family: str, given: str | Path | ModuleType) -> tuple[str, ModuleType]:
    """Return the name and the module of a member.

    Parameters
    ----------
    given
        A module, its dotted name, the path of a `.py` file, or the name of an installed member.

    Raises
    ------
    InputError, ImportError
        It is not there, or has not what every member of its family has.
    """
    if not isinstance(given, ModuleType):
        name = str(given)
        if plugins.is_file(name):
            return plugins.short_name(name), plugins.load_file(family, Path(name))
        if "." not in name:
            return name, plugins.load(family, name)
        given = importlib.import_module(name)
    return given.__name__.rpartition(".")[2], plugins.checked(family, given, given.__name__)


@contextlib.contextmanager
def untouched(name: str) -> Iterator[None]:
    """Assert that a block leaves alone what belongs to the whole process.

    That is the global random generators, the handlers of the signals that stop a run, the current folder and its files.
    """
    before = _process_state()
    yield
    changed = [what for what, value in _process_state().items() if value != before[what]]
    assert not changed, f"{name} changed {' and '.join(changed)}"


def _process_state() -> dict[str, object]:
    return {
        "Python's global random generator": random.getstate(),
        "NumPy's global random generator": pickle.dumps(get_state()),  # noqa: NPY002  it is read, not drawn from
        "torch's global random generator": torch.get_rng_state().tolist(),
        "the handler of a signal that stops a run": [signal.getsignal(each) for each in interrupts.STOPPING],
        "the current folder": (Path.cwd(), sorted(Path.cwd().iterdir())),
    }
