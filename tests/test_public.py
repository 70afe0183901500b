"""The public face: what `import tithe` offers, before and after its rooms are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tithe

CODE = """
import tithe
early = tithe.train
from tithe.train import devices, trainer
import tithe.predict.model
assert tithe.train is early and callable(tithe.train) and callable(tithe.load) and trainer.fit
from tithe import train
assert train is early and tithe.Run.__name__ == "Run"
"""


def test_train_stays_the_function_when_the_room_of_that_name_is_imported() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True)


def test_what_is_public_is_there() -> None:
    assert all(getattr(tithe, name) is not None for name in tithe.__all__)
    with pytest.raises(AttributeError, match="module 'tithe' has no attribute 'trian'"):
        tithe.trian  # noqa: B018
