"""Free memory of this machine, the peak of this process, and an allocator that keeps what it frees."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path


def keep_memory() -> None:
    """Ask glibc to keep freed memory: a step, or a batch of photographs, frees and takes the same 200 MB every time."""
    try:
        libc = ctypes.CDLL(None)
        mmap_threshold, trim_threshold, top_pad = -3, -1, -2
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)
        libc.mallopt(top_pad, 64 << 20)
    except (OSError, AttributeError):
        return  # another C library manages memory in its own way


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may still take: what the machine has free, within its control groups.

    None where the system does not say.
    """
    try:
        about = (root / "proc/meminfo").read_text()
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    free = int(_field(about, "MemAvailable:")) * 1024
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            free = min([free, *_left(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")])
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            free = min([free, *_left(root / "sys/fs/cgroup/memory", path, *names)])
    return max(0, free)


def _left(base: Path, path: str, limit: str, usage: str, idle: str) -> Iterator[int]:
    """What a control group and those around it leave; pages that only cache files count as free."""
    own = base / path.strip("/")
    for folder in (own, *own.parents):
        with contextlib.suppress(OSError, ValueError):  # no limit, or not to be seen from inside a container
            idle_bytes = int(_field((folder / "memory.stat").read_text(), idle))
            yield int((folder / limit).read_text()) - int((folder / usage).read_text()) + idle_bytes
        if folder == base:
            return


def _field(text: str, name: str) -> str:
    """The value of a line `name value`."""
    return next((line.split()[1] for line in text.splitlines() if line.split()[:1] == [name]), "0")


def process_memory(name: str) -> int:
    """Return a size that the system tells of this process, such as `VmRSS`, in bytes."""
    return int(_field(Path("/proc/self/status").read_text(), f"{name}:")) * 1024


def can_measure_peaks() -> bool:
    """Say whether the system tells the peak of this process, and lets it be reset."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return process_memory("VmHWM") > 0


def release_memory() -> None:
    """Let glibc hand freed pages back: a step that finds them in its heap would seem to take nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
