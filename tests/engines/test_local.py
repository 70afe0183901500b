"""The engine of one machine, and what is said without Ray."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tithe import config, engines, plugins
from tithe.errors import InputError


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


@pytest.mark.parametrize("processes", [1, 2])
def test_results_are_in_the_order_of_the_items(processes: int) -> None:
    with engines.opened("local", config.Cluster(), processes) as engine:
        squares, where = zip(*engine.map(square, range(20)), strict=True)
    assert squares == tuple(number**2 for number in range(20))
    assert (set(where) == {os.getpid()}) is (processes == 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bounded_number_of_items_is_on_its_way(processes: int) -> None:
    read = taken = most = 0

    def numbers() -> Iterator[int]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield number

    with engines.opened("local", config.Cluster(), processes) as engine:
        for _ in engine.map(square, numbers()):
            taken += 1
            most = max(most, read - taken)
    assert taken == 1000 and most <= 8 * processes + 1


def test_whoever_stops_early_ends_the_workers() -> None:
    before = multiprocessing.active_children()
    with engines.opened("local", config.Cluster(), 2) as engine:
        results = engine.map(square, itertools.count())
        assert next(results)[0] == 0
        results.close()  # type: ignore[attr-defined]  # a generator
    assert {*multiprocessing.active_children()} <= {*before}


def test_without_ray_one_line_says_how_to_get_it(
    settings: Callable[..., dict[str, Any]], tithe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "installed", lambda module: module != "ray")
    asked = "suite", settings()["data"]["path"], "--out", tmp_path / "suite", "--seeds", "0"  # type: ignore[index]
    code, _, lines = tithe(
        *asked, "--encoder", settings()["model"]["encoder"], "--max-length", "32", "--set", "engine=ray"
    )  # type: ignore[index]
    assert code == 2 and lines[-1] == "error: ray is not installed: pip install 'tithe[ray]'"


MISTAKES = [
    ({"address": "10.0.0.1:6379"}, "names other machines: set cluster.storage_path to a folder that all of them see"),
    ({"num_workers": 0}, "num_workers"),
    ({"workers": 2}, "did you mean"),
]


@pytest.mark.parametrize(("cluster", "says"), MISTAKES, ids=[str(c) for c, _ in MISTAKES])
def test_a_wrong_cluster_is_one_line(
    settings: Callable[..., dict[str, Any]], cluster: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        config.parse(settings(engine="ray", cluster=cluster))


def test_processes_are_not_for_ray() -> None:
    with (
        pytest.raises(InputError, match=r"^--processes 3 is for engine local: set cluster.num_workers for engine ray$"),
        engines.opened("ray", config.Cluster(), 3),
    ):
        pass


def test_a_cluster_is_for_files(tithe: Callable[..., Any]) -> None:
    code, _, lines = tithe("predict", "runs/first", "a text", "--cluster", "num_workers=2")
    says = "--cluster is for a file, or a folder of images: pass one with --input, and --output"
    assert (code, lines) == (2, [f"error: {says}"])
