"""A description of the machine and the command, and reading of `.env` files."""

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
    """Return versions, platform, CPU count and the command line. No secrets, no user or host names."""
    return {
        "command": command_line(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {p: importlib.metadata.version(p) for p in _PACKAGES if _has(p)},
    }


def command_line() -> list[str]:
    """Return the command of this process by its arguments, without secrets."""
    return [Path(sys.argv[0]).name, *map(_masked, sys.argv[1:])]


def peak_memory() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def _masked(argument: str) -> str:
    """Mask the value of an argument such as `--set some.api_token=...`."""
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
    """Read `NAME=value` lines, with optional `export`, quotes and comments; nothing is executed."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    pattern = r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|(.*?))(?:[ \t]+#.*|[ \t]*)$"
    matches = re.findall(pattern, text, re.MULTILINE)
    return {name: single or double or bare for name, single, double, bare in matches}
