"""OpenCV and Pillow: imported late, by many threads at once, or missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from support.image_files import CUT, Store
from support.photographs import twins
from tithe.errors import InputError
from tithe.imaging import backends, decode


@pytest.fixture(autouse=True)
def opened_anew() -> Iterator[None]:
    """Let each test open the libraries for the first time; to those after it they are open."""
    backends.opencv.cache_clear()
    backends.pillow.cache_clear()
    yield
    for library in (backends.opencv, backends.pillow):
        library.cache_clear()
        library()


@pytest.mark.parametrize(("module", "name"), [("cv2", "cv2"), ("PIL", "PIL.Image")])
def test_a_missing_library_names_the_extra(
    store: Store, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"^{name} is not installed: pip install 'tithe\[image\]'$"):
        decode.read(store(CUT["jpeg"]))


def test_opencv_runs_on_one_thread() -> None:
    cv2.setNumThreads(2)
    backends.opencv()
    assert cv2.getNumThreads() == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twins(tmp_path_factory.mktemp("photographs") / "set")


def test_images_are_read_by_many_threads_from_the_first_one_on(root: Path) -> None:
    # Only a fresh process has not yet imported OpenCV, which replaces itself while it is imported.
    script = (
        "import sys; from pathlib import Path; from concurrent.futures import ThreadPoolExecutor\n"
        "from tithe.imaging import decode\n"
        "paths = sorted(Path(sys.argv[1]).rglob('*.png')) * 3\n"
        "with ThreadPoolExecutor(8) as threads:\n"
        "    print(sum(image.ndim == 3 for image in threads.map(decode.read, paths)), len(paths))"
    )
    command = [sys.executable, "-c", script, str(root)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and found.stdout.split() == ["72", "72"], found.stderr
