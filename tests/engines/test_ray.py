"""The same results from Ray as from this process, whichever worker, machine or driver dies on the way.

All tests that need Ray are here: they share one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from support.detector_run import finished
from support.encoders import without_dropout
from support.engines import DRIVER, NODES, dying, ended, hurt, kill_a_process, loaded, met, refuse, traced
from support.features import stored
from support.ray_forks import Forks
from support.searches import search, tuned, untimed
from support.text_sets import WRITERS
from support.texts import make_texts, write_rows
from tithe import config, engines, pipeline, storage
from tithe.engines import gang, shards
from tithe.errors import InputError, Interrupted, TitheError
from tithe.predict import Answering, TextInput, files, load, predict_files
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.suite.grid import Grid
from tithe.select.suite.trials import run_suite
from tithe.train import devices

# Before any test: the import changes the environment and the path of modules, once.
pytest.importorskip("ray", reason="ray is not installed: pip install 'tithe[ray]'")

Settings = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, ray: config.Cluster) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tithe")
    return caplog


@pytest.fixture
def over_ray(settings: Settings, ray: config.Cluster) -> Settings:
    """A small config of a frozen encoder for the engine ray."""
    return partial(settings, engine="ray", cluster=ray.model_dump(), model={"freeze": "all"})


# ---- items, workers and their deaths


def test_results_are_in_order_and_each_item_is_done_once(ray: config.Cluster, tmp_path: Path) -> None:
    with engines.opened("ray", ray) as engine:
        squares, where = zip(*engine.map(partial(met, tmp_path), range(30)), strict=True)
        assert list(engine.map(partial(traced, tmp_path), [])) == []
    assert squares == tuple(number**2 for number in range(30))
    assert len(set(where)) == 2 and os.getpid() not in where
    assert len(list(tmp_path.iterdir())) == 30


def test_the_item_of_a_killed_worker_is_done_by_another(
    ray: config.Cluster, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    with engines.opened("ray", ray) as engine:
        squares, where = zip(*engine.map(partial(dying, tmp_path, 7), range(30)), strict=True)
    assert squares == tuple(number**2 for number in range(30)) and (tmp_path / "died").exists()
    assert os.getpid() not in where
    assert len(list(tmp_path.glob("*-*"))) == 30, "no item was done twice"
    assert log.text.count("a worker is gone") == 1


def test_an_item_that_kills_every_worker_ends_the_work(ray: config.Cluster) -> None:
    with engines.opened("ray", ray) as engine, pytest.raises(TitheError, match=r"^4 workers died of one piece of work"):
        list(engine.map(lambda number: os._exit(number), [1]))


def test_an_error_of_a_worker_is_that_of_this_process(ray: config.Cluster) -> None:
    with engines.opened("ray", ray) as engine, pytest.raises(InputError, match=r"^3 is wrong: choose another$"):
        list(engine.map(refuse, [3]))


def test_a_worker_of_an_own_interpreter_finds_tithe_before_it_loads_a_library(
    ray: config.Cluster, forks: Forks
) -> None:
    one = ray.model_copy(update={"num_workers": 1})
    with forks.plain() as started, engines.opened("ray", one) as engine:
        names = ["torch", "transformers", "tithe"]
        # An idle worker of an earlier test, which has them, may be left: each is used once.
        found = (list(engine.map(loaded, names)) for _ in range(4))
        assert any(has == [False, False, True] for has in found) and started()


def endless(read: list[int]) -> Iterator[int]:
    while True:
        read.append(len(read))
        yield len(read)


def test_items_are_read_as_they_are_needed(ray: config.Cluster, tmp_path: Path) -> None:
    read: list[int] = []
    with engines.opened("ray", ray) as engine:
        results = engine.map(partial(traced, tmp_path), endless(read))
        assert [next(results)[0] for _ in range(4)] == [1, 4, 9, 16]
    assert len(read) <= 4 + 7


# ---- the same results as in this process


def prepared(raw: dict[str, Any]) -> None:
    """What a run does up to its training."""
    run = config.parse(raw)
    pipeline.prepare(pipeline.check(run), None, devices.accelerator("cpu", "no"))


def test_features_have_the_same_bytes(
    over_ray: Settings, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tithe.models.features._ROWS", 8)
    monkeypatch.setattr(shards, "_BATCHES", 4)
    prepared(over_ray())
    (there,) = stored()
    bytes_there = there.read_bytes()
    assert (storage.cache_dir() / "shards").is_dir() and not list((storage.cache_dir() / "shards").glob("*"))
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "here"))
    prepared(settings(model={"freeze": "all"}))
    (here,) = stored()
    assert here.read_bytes() == bytes_there and here.parent.name == there.parent.name


def test_features_go_on_from_finished_shards(
    over_ray: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray: config.Cluster
) -> None:
    monkeypatch.setattr("tithe.models.features._ROWS", 8)
    monkeypatch.setattr(shards, "_BATCHES", 4)
    kept = ray.model_copy(update={"storage_path": str(tmp_path / "kept")})
    raw = over_ray(cluster=kept.model_dump())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards, "_read", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
        prepared(raw)
    finished = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept/shards").glob("*/*.npy")}
    assert finished
    seen: dict[Path, int] = {}
    read = shards._read
    monkeypatch.setattr(shards, "_read", lambda file: (seen.update({file: file.stat().st_mtime_ns}), read(file))[1])
    prepared(raw)
    assert len(seen) == 4 and finished.items() <= seen.items(), "none was computed again, and none is missing"


def of_suite(raw: dict[str, Any], out: Path) -> list[dict[str, Any]]:
    results = run_suite(config.parse(raw), Grid(["k_center"], [0.25], [0, 1], controls=("reader",)), out)
    return [{key: value for key, value in one.items() if "seconds" not in key} for one in results]


def test_a_suite_has_the_same_results_and_the_same_files(
    over_ray: Settings, settings: Settings, tmp_path: Path
) -> None:
    data = {"test_ratio": 0.2}
    there = of_suite(over_ray(data=data), tmp_path / "there")
    here = of_suite(settings(data=data, model={"freeze": "all"}), tmp_path / "here")
    assert there == here and len(here) == 6
    names = [sorted(file.name for file in (tmp_path / where / "trials").iterdir()) for where in ("there", "here")]
    assert names[0] == names[1], "a suite may go on by another engine"


def test_a_search_has_the_same_trials(over_ray: Settings, settings: Settings, tmp_path: Path) -> None:
    there = search(tuned(over_ray), tmp_path / "there")
    here = search(tuned(settings), tmp_path / "here")
    assert untimed(there) == untimed(here) and there.summary["key"] == here.summary["key"]
    assert len(untimed(here)) == 4


def test_predictions_have_the_same_bytes_and_go_on_after_a_stop(
    settings: Settings, ray: config.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = pipeline.train(config.parse(settings(train={"epochs": 1}, model={"freeze": "all"}))).home
    monkeypatch.setattr(files, "TEXTS_AT_ONCE", 16)
    texts, labels = make_texts(60, seed=3)
    source = TextInput(WRITERS["csv"](tmp_path / "rows.csv", list(zip(texts, labels, strict=True))))
    model = load(home, "cpu")
    predict_files(model, source, tmp_path / "here.parquet", Answering())
    added = []
    add = files.Unfinished.add

    def stopping(self: files.Unfinished, *of: Any) -> None:
        if len(added) == 3:
            added.append(0)
            raise KeyboardInterrupt
        added.append(len(of[0]))
        add(self, *of)

    monkeypatch.setattr(files.Unfinished, "add", stopping)
    with engines.opened("ray", ray) as engine, pytest.raises(TitheError, match="stopped; kept 48 predictions"):
        predict_files(model, source, tmp_path / "there.parquet", Answering(), engine)
    with engines.opened("ray", ray) as engine:
        assert predict_files(model, source, tmp_path / "there.parquet", Answering(), engine) == 120
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert sum(added) == 120, "no chunk twice, none missing"


def test_images_have_the_same_scores(
    ray: config.Cluster, tithe: Callable[..., Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    images, home = finished(tmp_path_factory)
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    (folder / "broken.png").write_bytes(b"no image")
    asked = ["predict", str(home), "--input", str(folder), "--output"]
    assert tithe(*asked, str(tmp_path / "here.csv"))[0] == 0
    assert tithe(*asked, str(tmp_path / "there.csv"), "--cluster", "num_workers=2")[0] == 0
    here, there = ((tmp_path / f"{where}.csv").read_bytes() for where in ("here", "there"))
    assert here == there and b"broken.png,,,,not_an_image" in here
    code, _, lines = tithe(
        *asked, str(tmp_path / "x.csv"), "--html", str(tmp_path / "x.html"), "--cluster", "num_workers=2"
    )
    assert (code, lines[-1]) == (
        2, "error: --cluster only scores, and a page of --html shows pixels: leave one of them out"
    )  # fmt: skip


@pytest.mark.parametrize("strategy", ["k_center", "facility_location"])
def test_parts_pick_the_same_rows(strategy: str, ray: config.Cluster) -> None:
    rng = np.random.default_rng(0)
    signals = {"embeddings": rng.normal(size=(1500, 8)).astype(np.float32)}
    pool = Pool.of(rng.integers(2, size=1500), np.arange(1500), signals)
    settings = config.Select(strategy=strategy, budget=0.05, part_rows=200)
    here = select(pool, settings, 0)
    with engines.opened("ray", ray) as engine:
        there = select(pool, settings, 0, engine=engine)
    assert here.rows.tolist() == there.rows.tolist() and here.score.tolist() == there.score.tolist()
    assert len(here) == 75


# ---- processes that train together


@pytest.fixture
def shared(settings: Settings, ray: config.Cluster, tmp_path: Path) -> Settings:
    """A small config of an encoder that two processes train."""
    return partial(settings, engine="ray", cluster=ray.model_dump(), train={"batch_size": 5, "epochs": 4})


def weights_of(outcome: pipeline.Outcome) -> str:
    assert outcome.scores["training"]["processes"] == 2
    return str(outcome.scores["training"]["final_weights_sha256"])


def test_processes_train_as_one(shared: Settings, settings: Settings, tmp_path: Path, log: Any) -> None:
    model = without_dropout(tmp_path, settings)
    there = pipeline.train(config.parse(shared(model=model, out=str(tmp_path / "there"))))
    lines = [record.getMessage() for record in log.records]
    assert any("epoch 4 of 4: validation" in line for line in lines), lines
    here = pipeline.train(config.parse(settings(model=model, train={"batch_size": 5, "epochs": 4})))
    assert there.scores["training"]["processes"] == 2
    steps = [storage.read_lines(outcome.home / "history.jsonl") for outcome in (here, there)]
    assert [step["step"] for step in steps[0]] == [step["step"] for step in steps[1]]
    losses = [[step["batch_loss"] for step in each if "batch_loss" in step] for each in steps]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5) and losses[0]


def test_a_killed_process_and_a_stop_cost_no_result(shared: Settings, tmp_path: Path, log: Any) -> None:
    whole = pipeline.train(config.parse(shared(out=str(tmp_path / "whole"))))
    hurt(tmp_path / "killed", kill_a_process)
    killed = pipeline.train(config.parse(shared(out=str(tmp_path / "killed"))))
    assert "a process is gone" in log.text
    hurt(tmp_path / "stopped", partial(os.kill, os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted, match=r"stopped after step \d+: resume from"):
        pipeline.train(config.parse(shared(out=str(tmp_path / "stopped"))))
    again = shared(out=str(tmp_path / "stopped"), checkpoint={"resume": "auto"})
    stopped = pipeline.train(config.parse(again))
    assert weights_of(whole) == weights_of(killed) == weights_of(stopped)
    for outcome in (killed, stopped):
        assert storage.broken_files(outcome.home) == []


class Elsewhere:
    """Ray, as a process of another machine sees it."""

    def __getattr__(self, name: str) -> Any:
        import ray

        return getattr(ray, name)

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(get_node_id=lambda: "another")


def test_a_signal_reaches_another_machine(ray: config.Cluster) -> None:
    import ray as module

    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    place = gang.Place(module.get_runtime_context().get_node_id(), "", 0, sleeping.pid)
    gang.send(Elsewhere(), signal.SIGTERM, place)  # type: ignore[arg-type]
    assert sleeping.wait(60) == -signal.SIGTERM


def test_a_mistake_of_processes_is_that_of_this_one(shared: Settings, tmp_path: Path) -> None:
    raw = shared(out=str(tmp_path / "run"))
    with pytest.raises(InputError, match="no column 'absent'"):
        pipeline.train(config.parse({**raw, "data": {**raw["data"], "label_column": "absent"}}))


# ---- what dies on the way, in processes with a Ray of their own


@pytest.mark.slow
def test_a_removed_machine_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "nodes.py").write_text(NODES)
    done = ended([sys.executable, str(tmp_path / "nodes.py"), str(tmp_path)])
    assert done.returncode == 0 and "NODES 3" in done.stdout, done.stdout + done.stderr
    calls = [int(file.name.partition("-")[0]) for file in tmp_path.glob("*-*")]
    assert set(calls) == set(range(40)) and len(calls) <= 41, "but the item of the removed machine, none twice"


@pytest.mark.slow
def test_a_killed_driver_goes_on_from_finished_shards(
    over_ray: Settings, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray: config.Cluster
) -> None:
    rows = write_rows(tmp_path / "many.parquet", *make_texts(300))
    kept = {**ray.model_dump(), "storage_path": str(tmp_path / "kept")}
    raw = over_ray(data={"path": str(rows)}, cluster=kept)
    (tmp_path / "config.json").write_text(json.dumps(raw))
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "config.json")]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while len(finished := list((tmp_path / "kept/shards").glob("*/[0-9]*.json"))) < 5:
        assert time.monotonic() < deadline
        if killed.poll() is not None:  # the machine was too busy for Ray to start
            killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    times = {seal.with_suffix(".npy").name: seal.with_suffix(".npy").stat().st_mtime_ns for seal in finished}
    done = ended(command)
    assert done.returncode == 0, done.stderr
    again = {name: int(when) for name, when in map(str.split, done.stdout.splitlines())}
    assert all(times.get(name, when) == when for name, when in again.items()), "what was finished is not done again"
    assert len(again) < 75 or times.keys() & again.keys()
    (there,) = stored()
    bytes_there = there.read_bytes()
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "here"))
    monkeypatch.setattr("tithe.models.features._ROWS", 8)
    prepared(settings(data={"path": str(rows)}, model={"freeze": "all"}))
    (here,) = stored()
    assert here.read_bytes() == bytes_there
