"""Files that can't be opened, and a process whose warnings stay as they were."""

from __future__ import annotations

import os
import pickle
import resource
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import ImageFile

from support.image_files import CUT, Store, encoded, picture, reason
from tithe.errors import InputError
from tithe.imaging import decode
from tithe.imaging.files import Unreadable, quiet


@contextmanager
def _nobody() -> Iterator[None]:
    """Be a user without rights: root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_file_that_may_not_be_read(store: Store) -> None:
    path = store(CUT["png"])
    path.chmod(0)
    with _nobody():
        assert reason(path) == "no_permission"


def test_what_is_no_file(tmp_path: Path, store: Store) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    file = store(b"text")
    assert reason(tmp_path) == "not_an_image"
    assert reason(tmp_path / "pipe") == "not_an_image"
    for name in ("nothing", "dangling", "n" * 300, "a\0b", f"{file.name}/below"):
        assert reason(tmp_path / name) == "missing", name


def test_the_systems_trouble_is_not_the_files(store: Store) -> None:
    path = store(CUT["png"])
    decode.read(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as file:
        lowest_free = file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            decode.read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_error_survives_its_way_between_processes() -> None:
    back = pickle.loads(pickle.dumps(Unreadable("truncated", "a.jpg")))
    assert (back.reason, back.path, str(back)) == ("truncated", "a.jpg", "a.jpg: the file ends too early")


def test_many_threads_leave_the_warnings_as_they_were(tmp_path: Path) -> None:
    cut = encoded(picture(), "TIFF", compression="tiff_lzw")[:-1]  # of which Pillow warns
    paths = [tmp_path / f"{i}" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_bytes(cut if i % 2 else CUT["png"])
    before = list(warnings.filters)

    def outcome(path: Path) -> str:
        try:
            return str(decode.read(path).shape)
        except Unreadable as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, paths)) == ["(48, 64, 3)", "damaged"] * 20
        with quiet():
            waiting = pool.submit(outcome, paths[0])
            with pytest.raises(TimeoutError):  # a second change before the first is undone would outlast both
                waiting.result(timeout=0.2)
        assert waiting.result() == "(48, 64, 3)"
    assert list(warnings.filters) == before


def test_pillow_must_not_be_told_to_let_broken_files_pass(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(InputError, match=r"LOAD_TRUNCATED_IMAGES is set, .*: set it to False"):
        decode.read(store(CUT["bmp"]))
