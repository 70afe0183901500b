"""The project `data_efficiency` in Python: the specification's data flow, and strategies as classes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import tithe
from support import data_efficiency
from support.paths import ROOT
from support.readme import run_snippet
from support.texts import make_texts
from tithe import config, plugins
from tithe.errors import InputError
from tithe.fetch import downloads
from tithe.select.suite.trials import Grid, run_suite
from tithe.testing import check_strategy, example_pool

PROJECT = ROOT / "recipes" / "data_efficiency"
SHORTEST = next(
    block
    for block in re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    if block.startswith("# shortest.py")
)
documented = data_efficiency.documented


@pytest.fixture
def folder(tmp_path: Path, documented: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example's config, small, and a strategy of the user's own; the package can be imported."""
    documented |= {"dataset_path": "data/reviews.parquet", "freeze_layers": "all", "log_dir": str(tmp_path / "runs")}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/train_config_example.json").write_text(json.dumps(documented))
    (tmp_path / "shortest.py").write_text(SHORTEST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(PROJECT / "src"))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "data_efficiency"]:
        del sys.modules[name]


def test_the_documented_steps_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    downloads.put(downloads.place("reviews"), [list(zip(*make_texts(60), strict=True))], {"source": "a test"})
    found = run_snippet(PROJECT / "README.md", "upload_dataset", {})
    dataset, scheduler, outcome = found["dataset"], found["scheduler"], found["outcome"]
    assert (folder / "data/reviews.parquet").is_file() and len(dataset.train) == 96
    said = capsys.readouterr().out.splitlines()
    assert said[:-1] == ["3 rows", "6 rows", "10 rows"], "a tenth of 96, in three rounds"
    batch = next(iter(scheduler.loader(0)))
    assert len(batch["labels"]) == 3 and len(scheduler) == 3
    picked = pq.read_table(outcome.home / "selection.parquet")
    assert picked["id"].to_pylist() == scheduler.result.ids.tolist(), "the run trains on what the scheduler chose"
    assert set(picked["id"].to_pylist()) <= set(dataset.rows.ids[dataset.train])
    recorded = json.loads((outcome.home / "selection.json").read_text())
    assert recorded["strategy"] == "entropy_diversity" and recorded["settings"]["options"] == {"weight": 0.3}
    assert outcome.best == Path("checkpoints/my_run/best") and (outcome.best / "model.pt").is_file()
    assert float(said[-1]) == outcome.scores["test"]["f1"]
    assert (folder / "artifacts/my_run/test/roc_curve.png").is_file()


def test_a_strategy_is_there_by_name_and_chooses(folder: Path) -> None:
    from data_efficiency.strategies import DataSelectionStrategy, get_strategy

    pool = example_pool()
    for name in ("all", "random", "el2n", "k_center", "shortest.py"):
        strategy = get_strategy(name)
        assert isinstance(strategy, DataSelectionStrategy) and strategy.name == name
        rows = strategy.select(pool, 7, np.random.default_rng(0))
        assert len(set(rows.tolist())) == (len(pool) if name == "all" else 7)
    first = get_strategy("perplexity").select(pool, 3, np.random.default_rng(0))
    score = plugins.load("strategies", "perplexity").score(pool, None, None)
    assert first.tolist() == np.argsort(-score, kind="stable")[:3].tolist()
    with pytest.raises(InputError, match="did you mean 'k_center'"):
        get_strategy("k_centre")
    with pytest.raises(
        InputError, match=r"unknown key 'wieght' in select\.options of qdit_lite: did you mean 'weight'"
    ):
        get_strategy("qdit_lite", wieght=1)
    with pytest.raises(NotImplementedError, match="DataSelectionStrategy has no select"):
        DataSelectionStrategy().select(pool, 1, np.random.default_rng(0))


# ---- a class in a file


def test_a_class_keeps_the_contract_and_has_options(folder: Path) -> None:
    check_strategy("shortest.py", {"least": 6})
    pool = example_pool()
    (found,) = plugins.load("strategies", "shortest.py").STRATEGY(least=6).select(pool, 1, None)
    assert pool.lengths[found] == pool.lengths[pool.lengths >= 6].min()


def test_a_class_is_a_strategy_in_a_config_in_a_scheduler_and_in_a_suite(
    folder: Path, documented: dict[str, Any], rows: Path
) -> None:
    from data_efficiency.data import upload_dataset
    from data_efficiency.round_scheduler import RoundScheduler

    own = documented | {"strategy_name": "shortest.py", "strategy_options": {"least": 6}, "dataset_path": str(rows)}
    picks = tithe.select(own)
    chosen = picks.pool.lengths[picks.selection.rows]
    assert len(picks.ids) == 24 and chosen.min() == 6 and chosen.mean() < picks.pool.lengths.mean()
    strategy = plugins.load("strategies", "shortest.py").STRATEGY(least=6)
    scheduler = RoundScheduler(upload_dataset(own), strategy, own | {"strategy_name": "random", "strategy_options": {}})
    assert scheduler.result.ids.tolist() == picks.ids.tolist() and len(scheduler) == 1
    results = run_suite(config.load(own), Grid(["shortest.py"], [0.25], [0]), folder / "suite")
    assert [result["strategy"] for result in results] == ["all", "random", "shortest"]
    assert results[2]["strategy_sha256"] == picks.code["strategy_sha256"] and results[2]["options"] == {"least": 6}


LONGEST = """

class Longest(Shortest):
    def select(self, pool, count, rng):
        return np.argsort(-pool.lengths, kind="stable")[:count]
"""
BAD = {
    "two in one file": (
        SHORTEST + "\n\nclass Other(DataSelectionStrategy):\n    pass\n",
        r"TypeError: Shortest and Other are in one file: give each strategy its own",
    ),
    "too few rows": (
        SHORTEST.replace("[:count]", "[: count - 1]"),
        r"strategy 'shortest': pick\(\) returned \d+ rows?: ",
    ),
    "a signal undeclared": (SHORTEST.replace('("lengths",)', "()"), "this pool has no signal 'lengths'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_class_that_is_wrong_is_named(name: str, folder: Path) -> None:
    code, says = BAD[name]
    (folder / "shortest.py").write_text(code)
    with pytest.raises((InputError, AssertionError, AttributeError), match=says):
        check_strategy("shortest.py")


def test_a_class_may_build_on_another_of_its_file(folder: Path) -> None:
    (folder / "longest.py").write_text(SHORTEST + LONGEST)
    assert plugins.load("strategies", "longest.py").STRATEGY.__name__ == "Longest"
    check_strategy("longest.py")
