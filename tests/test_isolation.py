"""Tests hold in any order: one that leaves the process changed fails, and those after it find it as it was."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from support.environment import ABSENT, SET, isolate
from support.paths import ROOT

# What a test does, and what is said of it.
LEAKS = {
    "os.environ['TITHE_LEFT'] = 'a'": "environment variable TITHE_LEFT: nothing became 'a'",
    "del os.environ['HOME']": "environment variable HOME: '.+' became nothing",
    "os.chdir('/')": "current folder cwd: '.+' became '/'",
    "sys.path.insert(0, '/nowhere')": "sys path: ",
    "sys.argv = ['tithe']": "sys argv: .+ became .'tithe'",
    "logging.getLogger('tithe').setLevel(10)": "logging tithe.level: 0 became 10",
    "logging.getLogger('tithe').addHandler(logging.NullHandler())": "logging tithe.handlers: .. became .<NullHandler",
    "logging.getLogger('tithe.steps').propagate = True": "logging tithe.steps.propagate: False became True",
    "logging.getLogger().setLevel(40)": "logging root.level: 30 became 40",
    "logging.disable(10)": "logging everything.disabled below: 0 became 10",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "signal handler SIGTERM: ",
    "os.umask(0o77)": "process umask: ",
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 40, -1))": "process file size: ",
    "tracemalloc.start()": "process tracemalloc: False became True",
    "sys.path.insert(0, FOLDER); import of_a_test; del sys.path[0]": "module of_a_test: nothing became <module",
    "del sys.modules['colorsys']": "module colorsys: <module .+ became nothing",
    "cache._LIMIT = 'OTHER'": "global tithe.storage.cache._LIMIT: 'TITHE_CACHE_GB' became 'OTHER'",
    "plugins.FAMILIES['more'] = 'x'": "global tithe.plugins.FAMILIES: ",
    "monkeypatch.setattr(backends, 'opencv', stand_in); import tithe.imaging.phash": (
        "global tithe.imaging.phash.opencv: nothing became <function stand_in"
    ),
    "random.random()": "numbers random: a stream at",
    "np.random.rand()": "numbers numpy.random: a stream at",
    "np.seterr(all='raise')": "numbers numpy.errors: ",
    "torch.rand(1)": "torch random: a stream at",
    "torch.manual_seed(0)": "torch random: a stream at",
    "torch.set_num_threads(3)": "torch threads: ",
    "torch.set_default_dtype(torch.float64)": "torch dtype: torch.float32 became torch.float64",
    "torch.set_grad_enabled(False)": "torch grad: True became False",
}
HEAD = """
import colorsys, logging, os, random, resource, signal, sys, tracemalloc
import numpy as np, pytest, sklearn.linear_model, torch
from support import state
from tithe import plugins
from tithe.imaging import backends
from tithe.storage import cache
FOLDER = os.path.dirname(__file__) + "/modules"
BEFORE = state.take()

def stand_in():
    pass

def test_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TITHE_LEFT", "a")
    monkeypatch.chdir(tmp_path)

@pytest.fixture(scope="module")
def wide():
    os.environ["TITHE_LEFT"] = "b"

def test_wide(wide):
    pass

@pytest.fixture(scope="session")
def widest():
    os.environ["TITHE_LEFT"] = "c"

def test_widest(widest):
    pass
"""
# By then the session's cache has been set; whatever the tests above have left is back as it was.
LAST = """
def test_last():
    assert [leak for leak in state.put_back(BEFORE)[0] if leak.name != "TITHE_CACHE"] == []
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a file of tests that leak prints, under the conftest of all tests."""
    folder = tmp_path_factory.mktemp("leaking")
    (folder / "tests/modules").mkdir(parents=True)
    (folder / "tests/modules/of_a_test.py").touch()
    shutil.copy(ROOT / "tests/conftest.py", folder / "tests")
    tests = "".join(f"\ndef test_{i}(monkeypatch):\n    {line}\n" for i, line in enumerate(LEAKS))
    (folder / "tests/test_leaks.py").write_text(HEAD + tests + LAST)
    options = ["--rootdir=.", "-p", "no:cacheprovider", "--randomly-dont-reorganize", "--randomly-dont-reset-seed"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "--import-mode=importlib", *options, "tests"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("line", LEAKS)
def test_what_a_test_leaves_behind_fails_it(said: str, line: str) -> None:
    number = list(LEAKS).index(line)
    part = said.partition(f"ERROR at teardown of test_{number} _")[2].partition("\n____")[0]
    assert "this test leaves the process changed" in part, said
    assert re.search(rf"^  {LEAKS[line]}", part, re.MULTILINE), part


def test_what_a_fixture_of_many_tests_leaves_behind_fails_them(said: str) -> None:
    part = said.partition("ERROR at setup of test_wide _")[2]
    assert "the fixture wide (module) leaves the process changed" in part
    assert "environment variable TITHE_LEFT: nothing became 'b'" in part
    part = said.partition("ERROR at setup of test_widest _")[2]
    assert "the fixture widest (session) leaves the process changed" in part


def test_the_tests_after_it_find_the_process_as_it_was(said: str) -> None:
    passed, errors = len(LEAKS) + 2, len(LEAKS) + 2
    assert f"{passed} passed, {errors} errors in " in said, said
    assert re.search(r"^the order of this run: --randomly-seed=\d+$", said, re.MULTILINE)


def test_nothing_of_the_developers_own_reaches_a_test() -> None:
    environment = {"PATH": "/bin", "HF_TOKEN": "secret", "TITHE_CACHE": "/home/me", "X": "1", "HF_HUB_OFFLINE": "0"}
    isolate(environment)
    assert environment == {"PATH": "/bin", "PYTHONPATH": ABSENT, **SET}
