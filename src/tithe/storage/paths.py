"""Paths that users write: `~` replaced by their home folder, and outputs checked before any work is done for them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from tithe.errors import InputError

_FULL_PATH = "write the full path"


def expand_home(path: str, cure: str = _FULL_PATH) -> str:
    """Return a path with `~` or `~user` at its beginning replaced by the home folder; any other path is unchanged.

    Parameters
    ----------
    cure
        What else than `HOME` the user can set; shown in errors.

    Raises
    ------
    InputError
        The home folder is unknown, as for a user id without an account when `HOME` is not set.
    """
    if not path.startswith("~"):
        return path
    with contextlib.suppress(RuntimeError):  # which user's home it is, the errors below say better
        return str(Path(path).expanduser())
    user = Path(path).parts[0].removeprefix("~")
    if not user:
        reason = f"HOME is not set, and user id {os.getuid()} has no account"
        raise InputError(f"the home folder of '{path}' is unknown ({reason}): set HOME, or {cure}")
    if Path(path).exists():  # a file whose name begins with ~
        return path
    raise InputError(f"'{path}': there is no user '{user}': {_FULL_PATH}, or './{path}' for a name that begins with ~")


def check_writable_folder(folder: Path) -> None:
    """Check that files can be written to a folder, which may not exist yet; nothing is left there.

    Raises
    ------
    InputError
        It is a file, is below one, or may not be written to.
    """
    try:
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
        if not nearest.is_dir():
            what = "it" if nearest == folder else str(nearest)
            raise InputError(f"can't write to {folder}: {what} is not a folder: choose another path")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"can't write to {folder} ({error.strerror}): choose another path") from None


def check_writable_file(file: Path) -> None:
    """Check that a file can be written, which may not exist yet, and neither may its folder.

    Raises
    ------
    InputError
        It is a folder or a device, or its folder is not one that can be written to.
    """
    check_writable_folder(file.parent)
    if file.exists() and not file.is_file():
        kind = "a folder" if file.is_dir() else "not a regular file"
        raise InputError(f"can't write {file}: it is {kind}: choose another path")
