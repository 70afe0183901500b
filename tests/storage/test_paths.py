"""A path as a user writes it: `~` is the home folder, and an output that can't be written is refused at once."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NoReturn

import pytest

from support.writes import names
from tithe import storage
from tithe.errors import InputError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another folder to be in."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture
def homeless(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an account, as in a container, and no HOME."""

    def unknown(user: int) -> NoReturn:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("~", "HOME"), ("~/x", "HOME/x"), ("~//x/", "HOME/x")),
        *((path, path) for path in ("x/~", "./~", "a~b", "/x", "owner/name", "", "x/", "auto")),
        ("~file", "~file"),
    ],
)
def test_a_tilde_at_the_beginning_is_the_home_folder(home: Path, written: str, meant: str) -> None:
    Path("~file").touch()
    assert storage.expand_home(written) == meant.replace("HOME", str(home))


def test_another_users_home_needs_such_a_user(home: Path) -> None:
    assert storage.expand_home("~root/x") == f"{pwd.getpwnam('root').pw_dir}/x"
    with pytest.raises(InputError, match=r"^'~nobody-here/x': there is no user 'nobody-here': write the full path, or"):
        storage.expand_home("~nobody-here/x")


def test_without_a_home_folder_the_cure_is_named(homeless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=rf"'~/x' is unknown .*user id {os.getuid()} has no account.*: set HOME, or"):
        storage.expand_home("~/x")
    for name in ("TITHE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="set HOME, or set TITHE_CACHE to a folder") as caught:
        storage.cache_dir()
    assert "\n" not in str(caught.value)


def test_the_folder_of_the_cache_may_begin_with_a_tilde(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_CACHE", "~/cache")
    assert storage.cache_dir() == home / "cache"
    monkeypatch.delenv("TITHE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/other")
    assert storage.cache_dir() == home / "other/tithe"


WRONG_FOLDERS = {
    "a file": ("file", "can't write to file: it is not a folder: choose another path"),
    "below a file": ("file/x/y", "can't write to file/x/y: .*/file is not a folder"),
    "a link to nowhere": ("link", "can't write to link: it is not a folder"),
    "too long": ("x" * 300, "File name too long"),
    "of the system": ("/proc/x", "can't write to /proc/x"),
}


@pytest.mark.parametrize("case", WRONG_FOLDERS)
def test_a_folder_that_can_not_be_written_to_is_refused(home: Path, case: str) -> None:
    folder, says = WRONG_FOLDERS[case]
    Path("file").touch()
    Path("link").symlink_to("nowhere")
    with pytest.raises(InputError, match=says) as caught:
        storage.check_writable_folder(Path(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", [".", "new", "deep/new", "linked", "linked/new"])
def test_a_folder_that_can_be_written_to_is_left_as_it_is(home: Path, folder: str) -> None:
    Path("linked").symlink_to(home)
    storage.check_writable_folder(Path(folder))
    storage.check_writable_file(Path(folder, "file.csv"))
    assert names(Path()) == ["linked"] and list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "says"), [(".", "it is a folder"), ("/dev/null", "it is not a regular file"), ("file/x", "not a folder")]
)
def test_a_file_that_can_not_be_written_is_refused(home: Path, file: str, says: str) -> None:
    Path("file").touch()
    with pytest.raises(InputError, match=says):
        storage.check_writable_file(Path(file))
