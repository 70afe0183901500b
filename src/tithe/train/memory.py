"""Free memory of this machine, peak memory of this process, settings of the allocator and of the caches of kernels."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from tithe import storage

# oneDNN's own cache, and the one of each thread that torch has in front of it.
_KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
_RETURNED = 1 << 28
_KERNELS = 32  # more than one shape of a batch needs: the layers of an encoder share theirs


def keep_memory() -> None:
    """Make glibc keep freed memory: every step, or batch of images, frees and allocates the same 200 MB.

    Larger blocks than `_RETURNED` go back to the system: these are gradients of whole tables of words, and before
    version 2.38 glibc does not find room for an aligned block where one of the same size was freed.
    """
    try:
        libc = ctypes.CDLL(None)
        mmap_threshold, trim_threshold, top_pad = -3, -1, -2
        libc.mallopt(mmap_threshold, _RETURNED)
        libc.mallopt(trim_threshold, (1 << 31) - 1)
        libc.mallopt(top_pad, 64 << 20)
    except (OSError, AttributeError):
        return  # another C library


@contextlib.contextmanager
def few_kernels() -> Iterator[None]:
    """Bound the caches of compiled CPU kernels that are begun in the block; a user's own bounds stay.

    A kernel is compiled for one shape of a batch and has about a megabyte. By default there may be a thousand, in each
    of the caches, and inputs of all lengths in batches of all sizes have that many shapes.
    """
    with contextlib.ExitStack() as stack:
        for name in _KERNEL_CACHES:
            stack.enter_context(storage.environment_variable(name, os.environ.get(name, str(_KERNELS))))
        yield


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process can still allocate: the machine's free memory, within its control groups.

    None if the system does not report it.
    """
    try:
        memory = (root / "proc/meminfo").read_text()
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    free = int(_field(memory, "MemAvailable:")) * 1024
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            free = min([free, *_left(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")])
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            free = min([free, *_left(root / "sys/fs/cgroup/memory", path, *names)])
    return max(0, free)


def _left(base: Path, path: str, limit: str, usage: str, idle: str) -> Iterator[int]:
    """Yield the free memory of a control group and of its parents; pages of the file cache count as free."""
    own = base / path.strip("/")
    for folder in (own, *own.parents):
        with contextlib.suppress(OSError, ValueError):  # no limit, or not visible inside a container
            idle_bytes = int(_field((folder / "memory.stat").read_text(), idle))
            yield int((folder / limit).read_text()) - int((folder / usage).read_text()) + idle_bytes
        if folder == base:
            return


def _field(text: str, name: str) -> str:
    """Return the value of the line `name value`, "0" if there is none."""
    return next((line.split()[1] for line in text.splitlines() if line.split()[:1] == [name]), "0")


def process_memory(name: str) -> int:
    """Return a memory size of this process from `/proc/self/status`, such as `VmRSS`, in bytes."""
    return int(_field(Path("/proc/self/status").read_text(), f"{name}:")) * 1024


def mapped_files() -> list[range]:
    """Return the addresses of this process that are mapped from files."""
    with contextlib.suppress(OSError):
        lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        return [range(*(int(end, 16) for end in line[0].split("-"))) for line in lines if line[4] != "0"]
    return []


def can_measure_peaks() -> bool:
    """Return whether the system reports the peak memory of this process and can reset it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return process_memory("VmHWM") > 0


def release_memory() -> None:
    """Make glibc return freed pages to the system: a step that reuses them would seem to need no memory."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
