"""What the cache holds of fetched data sets."""

from __future__ import annotations

from tithe import storage


def cached() -> list[str]:
    return sorted(p.name for p in (storage.cache_dir() / "datasets").glob("*"))
