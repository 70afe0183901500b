"""The cache keeps to its part of the disk: what goes, in which order, and what never goes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.texts import make_texts, write_rows
from tithe import config, data, pipeline, storage
from tithe.errors import InputError
from tithe.storage import cache

KB = 1000
Tithe = Callable[..., tuple[Any, str, list[str]]]


def entry(kind: str, name: str, size: int, hours: float = 0.0) -> Path:
    """Put an entry of some bytes into the cache, last used some hours ago."""
    folder = storage.cache_dir() / kind / name
    with storage.atomic_folder(folder) as aside:
        (aside / "content").write_bytes(b"x" * size)
    then = time.time() - hours * 3600
    os.utime(folder, (then, then))
    return folder


def names() -> set[str]:
    return {e.path.name for e in cache.entries()}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No entry is in use by this process, and the limit is the default one."""
    monkeypatch.setattr(cache, "_in_use", set())
    monkeypatch.delenv("TITHE_CACHE_GB", raising=False)


# ---- what is there


def test_an_empty_cache_has_no_entries_and_room() -> None:
    assert cache.entries() == [] and cache.make_room(10 * KB)


def test_entries_are_listed_longest_unused_first() -> None:
    entry("tokens", "young", 1 * KB, hours=1)
    entry("datasets", "old", 50 * KB, hours=9)
    entry("features", "middle", 100 * KB, hours=5)
    entry("data", "new", 1 * KB)
    found = cache.entries()
    assert [(e.kind, e.path.name) for e in found] == [
        ("datasets", "old"),
        ("features", "middle"),
        ("tokens", "young"),
        ("data", "new"),
    ]
    assert [round(e.age / 3600) for e in found] == [9, 5, 1, 0]
    assert 100 * KB <= found[1].bytes <= 120 * KB  # whole blocks, and the manifest


def test_a_fetched_file_is_an_entry_and_a_lock_is_none() -> None:
    (storage.cache_dir() / "datasets").mkdir()
    (storage.cache_dir() / "datasets/reviews.parquet").write_bytes(b"x" * 5 * KB)
    (storage.cache_dir() / "features").mkdir()
    (storage.cache_dir() / "features/.abc.lock").touch()
    (found,) = cache.entries()
    assert (found.kind, found.path.name) == ("datasets", "reviews.parquet") and found.bytes >= 5 * KB


def test_a_place_is_apart_by_kind_and_key() -> None:
    key = storage.digest("some")
    place = cache.place("tokens", key)
    assert place.parent == storage.cache_dir() / "tokens" and key.startswith(place.name) and len(place.name) == 32
    assert not place.exists() and place != cache.place("features", key) != cache.place("features", "another")


def test_use_makes_an_entry_the_newest() -> None:
    old = entry("tokens", "old", KB, hours=9)
    entry("tokens", "young", KB, hours=1)
    assert cache.is_whole(old)
    assert [e.path.name for e in cache.entries()] == ["young", "old"]


@pytest.mark.parametrize("damage", ["cut", "gone", "no manifest", "never was"])
def test_what_is_damaged_is_not_whole(damage: str) -> None:
    folder = entry("features", "some", KB)
    assert cache.is_whole(folder)
    if damage == "cut":
        (folder / "content").write_bytes(b"x")
    elif damage == "gone":
        (folder / "content").unlink()
    elif damage == "no manifest":
        (folder / storage.MANIFEST).unlink()
    else:
        folder = folder.with_name("other")
    assert not cache.is_whole(folder)


# ---- the limit


@pytest.mark.parametrize(
    ("written", "expected"), [(None, 20e9), ("", 20e9), ("3", 3e9), ("0.5", 5e8), ("1e-6", 1000.0)]
)
def test_the_limit_is_what_the_environment_says(
    written: str | None, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if written is not None:
        monkeypatch.setenv("TITHE_CACHE_GB", written)
    assert cache.limit() == expected


WRONG = ["0", "-1", "many", "20GB", "nan", "inf", "-inf", "1e999"]


@pytest.mark.parametrize("use", [cache.make_room, lambda: cache.place("data", "0" * 64)], ids=["room", "place"])
@pytest.mark.parametrize("written", WRONG)
def test_a_limit_that_is_none_is_one_line(
    written: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITHE_CACHE_GB", written)
    with pytest.raises(InputError) as error:
        use()
    assert str(error.value) == f"TITHE_CACHE_GB={written} is not a size: set it to a number of gigabytes such as 20"


@pytest.mark.parametrize("arguments", [("train", "CONFIG"), ("doctor", "--cache"), ("doctor", "--cache", "--json")])
def test_the_command_says_so_too(
    arguments: tuple[str, ...],
    tithe: Tithe,
    settings: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings()))
    monkeypatch.setenv("TITHE_CACHE_GB", "many")
    code, out, err = tithe(*(str(tmp_path / "config.json") if a == "CONFIG" else a for a in arguments))
    assert (code, out) == (2, "") and err[-1].startswith("error: TITHE_CACHE_GB=many is not a size")
    assert not (tmp_path / "run").exists() and not any("Traceback" in line for line in err)


# ---- making room


def filled() -> None:
    entry("features", "old", 100 * KB, hours=9)
    entry("tokens", "middle", 100 * KB, hours=5)
    entry("data", "young", 100 * KB, hours=1)
    entry("datasets", "fetched", 500 * KB, hours=99)


@pytest.mark.parametrize(
    ("limit_kb", "needed_kb", "stay", "room"),
    [
        (1000, 0, {"old", "middle", "young", "fetched"}, True),
        (1000, 500, {"old", "middle", "young", "fetched"}, True),
        (290, 0, {"middle", "young", "fetched"}, True),  # and no more
        (340, 100, {"middle", "young", "fetched"}, True),
        (240, 100, {"young", "fetched"}, True),
        (200, 150, {"fetched"}, True),
        (200, 300, {"fetched"}, False),
    ],
)
def test_the_longest_unused_go_first_and_no_more_than_needed(
    limit_kb: int, needed_kb: int, stay: set[str], room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled()
    monkeypatch.setenv("TITHE_CACHE_GB", str(limit_kb * KB / 1e9))
    assert cache.make_room(needed_kb * KB) is room
    assert names() == stay


def test_what_this_process_uses_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    filled()
    assert cache.place("features", "old").is_dir()
    monkeypatch.setenv("TITHE_CACHE_GB", str(240 * KB / 1e9))
    assert cache.make_room()
    assert names() == {"old", "young", "fetched"}
    assert not cache.make_room(200 * KB)
    assert names() == {"old", "fetched"}


def test_more_than_the_disk_has_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITHE_CACHE_GB", "1e15")
    assert cache.make_room(10**6) and not cache.make_room(10**18)


def test_a_run_keeps_to_the_limit_and_uses_what_it_has(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of one data set after another go through a cache that holds no more than one or two of them."""
    monkeypatch.setenv("TITHE_CACHE_GB", str(200 * KB / 1e9))
    for seed in range(6):
        path = write_rows(tmp_path / f"{seed}.parquet", *make_texts(60, seed=seed))
        run = config.parse(settings(data={"path": str(path)}))
        monkeypatch.setattr(cache, "_in_use", set())  # as in a new process
        splits = data.load(run.data, 0)
        examples = pipeline.check(run).encode(splits.rows)
        assert len(examples) == 120 and examples.collate(splits.val)["labels"].tolist()
        assert sum(e.bytes for e in cache.entries()) <= 200 * KB
    assert {e.kind for e in cache.entries()} == {"data", "near", "tokens"}


# ---- the command


def test_the_doctor_lists_the_cache(tithe: Tithe) -> None:
    filled()
    code, out, err = tithe("doctor", "--cache")
    *lines, last = out.splitlines()
    assert (code, err) == (0, [])
    assert [line.split()[0] for line in lines] == ["datasets", "features", "tokens", "data"], "largest first"
    assert [line.split()[-1] for line in lines] == ["fetched", "old", "middle", "young"]
    assert last.startswith(f"{storage.cache_dir()}: 0.00 GB of 20 GB") and len(names()) == 4


def test_the_doctor_lists_it_for_programs(tithe: Tithe) -> None:
    filled()
    code, out, err = tithe("doctor", "--cache", "--json")
    found = json.loads(out)
    assert (code, err, found["folder"], found["limit"], found["freed"]) == (
        *(0, []),
        str(storage.cache_dir()),
        *(20 * 10**9, 0),
    )
    assert {Path(e["path"]).name: e["kind"] for e in found["entries"]} == {
        "fetched": "datasets",
        "old": "features",
        "middle": "tokens",
        "young": "data",
    }
    assert all(e["bytes"] >= 100 * KB and e["unused_seconds"] >= 3600 for e in found["entries"])


def test_clearing_spares_what_was_fetched(tithe: Tithe) -> None:
    filled()
    code, out, err = tithe("doctor", "--cache", "--clear")
    assert (code, err) == (0, []) and names() == {"fetched"}
    assert out.splitlines()[-1].startswith("freed 0.3 MB") and out.splitlines()[0].startswith("datasets")
    assert (storage.cache_dir() / "datasets/fetched/content").exists()


def test_clearing_for_programs_says_how_much(tithe: Tithe) -> None:
    filled()
    before = sum(e.bytes for e in cache.entries() if e.kind != "datasets")
    found = json.loads(tithe("doctor", "--cache", "--clear", "--json")[1])
    assert found["freed"] == before and [e["kind"] for e in found["entries"]] == ["datasets"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_clearing_needs_both_words(more: list[str], tithe: Tithe) -> None:
    filled()
    code, out, err = tithe("doctor", "--clear", *more)
    assert (code, out, err) == (2, "", ["error: --clear deletes from the cache: write doctor --cache --clear"])
    assert len(names()) == 4


# ---- where it lies


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "own"))
    assert storage.cache_dir() == tmp_path / "own"
    monkeypatch.delenv("TITHE_CACHE")
    assert storage.cache_dir() == tmp_path / "xdg" / "tithe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert storage.cache_dir() == tmp_path / ".cache" / "tithe"
