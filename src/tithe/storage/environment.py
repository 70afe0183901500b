"""What a reader needs to know of a machine: versions, cores, the command; and `.env` files."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tithe.errors import InputError

_PACKAGES = ("tithe", "torch", "transformers", "accelerate", "numpy", "pyarrow", "scikit-learn")


def describe_environment() -> dict[str, object]:
    """Return what a reader needs to know of the machine: versions, cores, the command. No secrets, no names."""
    return {
        "command": [Path(sys.argv[0]).name, *map(_masked, sys.argv[1:])],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {p: importlib.metadata.version(p) for p in _PACKAGES if _has(p)},
    }


def _masked(argument: str) -> str:
    """Hide the value of `--set some.api_token=...`, however it is written."""
    return re.sub(r"(?i)((?:token|secret|password|key)[^=:]*[=:]).+", r"\1***", argument, flags=re.DOTALL)


def _has(package: str) -> bool:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(package))
    return False


@contextlib.contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of this process, and of those that it starts, while the block runs."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def dotenv(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; `export`, quotes and comments are understood, nothing is executed."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    pattern = r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|(.*?))(?:[ \t]+#.*|[ \t]*)$"
    found = re.findall(pattern, text, re.MULTILINE)
    return {name: single or double or bare for name, single, double, bare in found}
