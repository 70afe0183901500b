"""One process at a time in a folder; what is left of a killed one locks nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.writes import names
from tithe import storage
from tithe.errors import InputError
from tithe.storage import locks


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
def test_a_locked_folder_is_refused(tmp_path: Path, first: bool, second: bool) -> None:
    folder = tmp_path / "run"
    with storage.locked(folder, shared=first):
        says = r"under way in .*run: wait until it ends, or choose another"
        with pytest.raises(InputError, match=says) as caught, storage.locked(folder, shared=second):
            pass
        assert "\n" not in str(caught.value)
    with storage.locked(folder, shared=second):
        pass


def test_a_shared_lock_is_held_by_several(tmp_path: Path) -> None:
    with storage.locked(tmp_path / "run", shared=True):
        with storage.locked(tmp_path / "run", shared=True):
            (tmp_path / "run/file").touch()
        with pytest.raises(InputError, match="under way"), storage.locked(tmp_path / "run"):
            pass
    assert names(tmp_path / "run") == ["file"]


def test_a_lock_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "deep/run"
    for _ in range(2):
        with storage.locked(home):
            assert names(home) == [locks.LOCK]
        assert names(tmp_path) == []


def test_what_is_in_the_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyError), storage.locked(tmp_path / "run"):
        (tmp_path / "run/file").touch()
        raise KeyError
    assert names(tmp_path / "run") == ["file"]


def test_a_lock_is_seen_and_a_left_over_file_is_none(tmp_path: Path) -> None:
    assert not storage.is_locked(tmp_path / "nowhere") and not storage.is_locked(tmp_path)
    (tmp_path / locks.LOCK).touch()  # of a killed process
    assert not storage.is_locked(tmp_path)
    with storage.locked(tmp_path):
        assert storage.is_locked(tmp_path)
        (tmp_path / locks.LOCK).chmod(0o444)
        assert storage.is_locked(tmp_path)


def test_a_folder_in_place_of_a_file_is_refused_before_it_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="it is not a folder"), storage.locked(tmp_path / "file"):
        pass


def test_a_worker_that_outlives_a_killed_process_does_not_keep_its_lock(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom tithe import storage\n"
        "with storage.locked(Path(sys.argv[1])):\n"
        "    if child := os.fork():\n"
        "        print(child, storage.is_locked(Path(sys.argv[1])), flush=True)\n"
        "        os._exit(9)\n"
        "    os.close(1)\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    child, was_locked = done.stdout.split()
    try:
        assert (done.returncode, was_locked) == (9, "True")
        assert (tmp_path / "run" / locks.LOCK).exists() and not storage.is_locked(tmp_path / "run")
    finally:
        os.kill(int(child), signal.SIGKILL)
