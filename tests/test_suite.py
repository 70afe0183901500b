"""Selection in real runs: rows chosen by the command, trained on by a config, and compared by a suite."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import make_texts, write_rows
from tithe import config, data, pipeline, plugins, records, rescoring, selecting, standings, suite
from tithe.errors import InputError

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]
ELEVEN = plugins.names("strategies")


# ---- one selection


@pytest.mark.parametrize("name", ELEVEN)
def test_the_command_writes_what_each_strategy_keeps(
    name: str,
    rows: Path,
    tiny_bert: Path,
    tmp_path: Path,
    tithe: Tithe,
) -> None:
    out = tmp_path / "picks.parquet"
    asked = ["select", rows, "--strategy", name, "--budget", "0.1", "--out", out, "--encoder", tiny_bert]
    code, _, err = tithe(*asked, "--max-length", 32)
    assert code == 0, err
    table = pq.read_table(out)
    count = 120 if name == "all" else 12
    assert table.column_names == ["id", "rank", "score", "round"] and len(table) == count
    ids = table.column("id").to_pylist()
    assert ids == sorted(set(ids)) and min(ids) >= 0 and max(ids) < 120
    assert sorted(table.column("rank").to_pylist()) == list(range(count))
    told = json.loads(table.schema.metadata[b"tithe"])
    assert told["strategy"] == name and told["pool"] == 120 and set(told["seconds"]) == {"signals", "choice"}
    assert records.read_json(tmp_path / "picks.json") == told
    with Image.open(tmp_path / "picks.png") as picture:
        assert picture.width > 3 * picture.height - 200, "a map and two histograms, whatever the strategy reads"


@pytest.mark.parametrize(
    "more, says",
    [
        (["--strategy", "k_centre"], "did you mean 'k_center'"),
        (["--budget", "0"], "budget = 0.0 should be greater than 0"),
        (["--budget", "1.5"], "budget = 1.5 should be less than or equal to 1"),
        (["--strategy", "el2n", "--option", "drop=1"], "unknown key 'drop' in select.options of el2n"),
        (["--budget", "0.001"], "fewer than the 2 that 2 classes need"),
        (["--explain", "120"], "row 120 is not among the 120 rows"),
        (["--out", "picks.json"], "--out picks.json is no .parquet file: write for example --out picks.parquet"),
    ],
)
def test_a_wrong_question_is_one_line(
    more: list[str],
    says: str,
    rows: Path,
    tiny_bert: Path,
    tmp_path: Path,
    tithe: Tithe,
) -> None:
    asked = ["select", rows, "--out", tmp_path / "picks.parquet", "--encoder", tiny_bert, "--max-length", 32, *more]
    code, _, err = tithe(*asked)
    assert code == 2 and says in err[-1] and not list(tmp_path.glob("picks.*"))


def test_a_selection_buries_nothing(settings: Settings, tmp_path: Path, tithe: Tithe) -> None:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(settings()))
    code, _, err = tithe("select", file, "--out", tmp_path / "small.parquet")
    assert code == 2 and err == [f"error: --out {tmp_path}/small.parquet would overwrite {file}: choose another name"]
    assert json.loads(file.read_text()) == settings() and not (tmp_path / "small.png").exists()


def test_a_run_trains_on_what_was_chosen_and_on_nothing_else(settings: Settings) -> None:
    raw = settings(model={"freeze": "all"}, select={"strategy": "k_center", "budget": 0.25})
    outcome = pipeline.train(config.parse(raw))
    picked = pq.read_table(outcome.home / "selection.parquet").column("id").to_numpy()
    splits = data.load(config.parse(raw).data, 0)
    assert len(picked) == 24 and set(picked) <= set(splits.everything.ids[splits.split.train])
    account = records.read_json(outcome.home / "selection.json")
    assert account["rows"] == 24 and account["pool"] == 96 and sum(account["classes"]["chosen"]) == 24
    assert records.read_json(outcome.home / "data_report.json")["splits"]["train_selected"] == 24
    with Image.open(outcome.home / "selection.png") as picture:
        assert picture.width > 400
    assert "k_center chose 24 of 96 training rows" in (outcome.home / "train.log").read_text()
    assert records.broken_files(outcome.home) == []
    again = pipeline.train(config.parse({**raw, "out": f"{outcome.home}-again"}))
    assert again.scores["training"]["final_weights_sha256"] == outcome.scores["training"]["final_weights_sha256"]


@pytest.mark.parametrize(
    "asked, says",
    [
        ({"strategy": "k_centre"}, "did you mean 'k_center'"),
        ({"rounds": 2, "first": "rando"}, "did you mean 'random'"),
        ({"strategy": "el2n", "options": {"drop_hardest": 2.0}}, "drop_hardest = 2.0 should be less than 1"),
    ],
)
def test_a_wrong_selection_shows_before_anything_is_read(asked: dict[str, Any], says: str, settings: Settings) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.check(config.parse(settings(select=asked)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_all_rows_chosen_is_no_selection(settings: Settings, tmp_path: Path) -> None:
    hashes = {
        pipeline.train(config.parse(settings(out=str(tmp_path / name), **chosen))).scores["training"][
            "final_weights_sha256"
        ]
        for name, chosen in (("plain", {}), ("all", {"select": {"strategy": "all"}}))
    }
    assert len(hashes) == 1


def test_a_selection_is_part_of_what_a_checkpoint_is_of(settings: Settings) -> None:
    raw = settings(select={"strategy": "random", "budget": 0.5})
    pipeline.train(config.parse(raw))
    other = {**raw, "select": {"strategy": "random", "budget": 0.25}, "checkpoint": {"resume": "auto"}}
    with pytest.raises(InputError, match="has other select"):
        pipeline.train(config.parse(other))


def test_signals_are_computed_once_and_anew_when_the_text_changes(
    rows: Path, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def choose(path: Path, strategy: str, seed: int = 0) -> selecting.Chosen:
        caplog.clear()
        with caplog.at_level("INFO", "tithe"):
            asked = config.Select(strategy=strategy, seed=seed)
            return selecting.of_file(path, asked, {}, str(tiny_bert), 32)

    first = choose(rows, "qdit_lite")
    assert "computing probs" in caplog.text
    choose(rows, "entropy_diversity")
    assert "computing" not in caplog.text, "another strategy shares the signal"
    assert (choose(rows, "qdit_lite").selection.rows == first.selection.rows).all()
    texts, labels = make_texts(60)
    choose(write_rows(tmp_path / "other.parquet", ["new words", *texts[1:]], labels), "qdit_lite")
    assert "computing probs" in caplog.text


@pytest.mark.parametrize("strategy", ["perplexity", "ifd"])
def test_a_language_model_that_is_not_there_is_named(strategy: str, rows: Path, tiny_bert: Path) -> None:
    asked = config.Select(strategy=strategy, language_model="./nowhere")
    with pytest.raises(InputError, match="nowhere") as caught:
        selecting.of_file(rows, asked, {}, str(tiny_bert), 32)
    assert "\n" not in str(caught.value)


# ---- rounds


def test_a_budget_in_rounds_is_disjoint_exact_and_remembers_who_scored(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"strategy": "entropy_diversity", "budget": 0.25, "rounds": 3}
    raw = settings(model={"freeze": "all"}, select=asked)
    with caplog.at_level("INFO", "tithe"):
        outcome = pipeline.train(config.parse(raw))
    table = pq.read_table(outcome.home / "selection.parquet").to_pylist()
    assert len({row["id"] for row in table}) == 24
    assert np.bincount([row["round"] for row in table]).tolist() == [8, 8, 8]
    by_rank = sorted(table, key=lambda row: row["rank"])
    assert [row["round"] for row in by_rank] == sorted(row["round"] for row in table), "earlier rounds rank first"
    told = records.read_json(outcome.home / "selection.json")["rounds"]
    assert [r["strategy"] for r in told] == ["random", "entropy_diversity", "entropy_diversity"]
    assert told[0]["model_sha256"] is None and told[1]["model_sha256"] != told[2]["model_sha256"]
    assert "round 2 of 3: entropy_diversity, 16 rows so far" in caplog.text


@pytest.mark.parametrize("freeze", ["all", "none"])
def test_a_choice_stopped_between_rounds_goes_on(
    freeze: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw = settings(
        model={"freeze": freeze}, train={"epochs": 1}, select={"strategy": "k_center", "budget": 0.25, "rounds": 3}
    )
    whole = pipeline.train(config.parse({**raw, "out": str(tmp_path / "whole")}))
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    asked: list[int] = []
    real = rescoring.by_model

    def stopping(*arguments: Any) -> rescoring.Rescore:
        rescore = real(*arguments)

        def once(rows: np.ndarray) -> Any:
            asked.append(len(rows))
            if asked == [8, 16]:
                raise KeyboardInterrupt
            return rescore(rows)

        return once

    monkeypatch.setattr(rescoring, "by_model", stopping)
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(config.parse(raw))
    resumed = pipeline.train(config.parse(raw))
    assert asked == [8, 16, 16], "the first two rounds were not chosen again"
    tables = [pq.read_table(home / "selection.parquet").to_pylist() for home in (whole.home, resumed.home)]
    assert tables[0] == tables[1]
    assert resumed.scores["training"]["final_weights_sha256"] == whole.scores["training"]["final_weights_sha256"]


def test_one_round_is_no_round(settings: Settings, tmp_path: Path) -> None:
    hashes = []
    for name, more in (("plain", {}), ("one", {"rounds": 1, "first": "el2n"})):
        asked = {"strategy": "k_center", "budget": 0.25, **more}
        raw = settings(out=str(tmp_path / name), model={"freeze": "all"}, select=asked)
        hashes.append(pipeline.train(config.parse(raw)).scores["training"]["final_weights_sha256"])
    assert hashes[0] == hashes[1]


# ---- the suite


@pytest.fixture
def base(settings: Settings) -> config.Run:
    raw = settings(model={"freeze": "all"}, data={"test_ratio": 0.2}, train={"epochs": 3, "batch_size": 8})
    return config.parse(raw)


def test_a_suite_resumes_where_it_stopped_and_takes_equal_steps(base: config.Run, tmp_path: Path) -> None:
    asked = (["k_center"], [0.25], [0, 1], tmp_path / "suite")
    results = suite.run(base, *asked)
    assert [(r["strategy"], r["seed"]) for r in results] == [
        *[("all", 0), ("random", 0), ("k_center", 0)],
        *[("all", 1), ("random", 1), ("k_center", 1)],
    ]
    assert len({r["steps"] for r in results}) == 1 and {r["rows"] for r in results} == {84, 21}
    files = sorted((tmp_path / "suite/trials").iterdir())
    files[0].unlink()
    times = {file: file.stat().st_mtime_ns for file in files[1:]}
    again = suite.run(base, *asked)
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == times and files[0].exists()
    for one, other in zip(results, again, strict=True):
        assert one["test"] == other["test"] and one["rows_sha256"] == other["rows_sha256"]
    epochs = suite.run(base, *asked, equal_steps=False)
    assert {r["strategy"]: r["steps"] for r in epochs} == {"all": 33, "random": 9, "k_center": 9}


def test_trials_in_processes_are_the_same(base: config.Run, tmp_path: Path) -> None:
    one, two = (
        suite.run(base, ["el2n"], [0.25], [0], tmp_path / str(processes), processes=processes) for processes in (1, 2)
    )
    assert [r["rows_sha256"] for r in one] == [r["rows_sha256"] for r in two]
    assert [r["test"]["accuracy"] for r in one] == [r["test"]["accuracy"] for r in two]


def test_the_command_ends_with_a_table(rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe) -> None:
    asked = ["suite", rows, "--strategies", "k_center,el2n", "--seeds", "0,1", "--budgets", "0.2", "--max-length", 32]
    code, said, err = tithe(*asked, "--encoder", tiny_bert, "--out", tmp_path / "suite")
    assert code == 0, err
    found = records.read_json(tmp_path / "suite/suite.json")
    assert {line["strategy"] for line in found["standings"]} == {"all", "random", "k_center", "el2n"}
    assert "as many optimizer steps as on all rows" in said and "k_center 20 %" in said
    assert (tmp_path / "suite/suite.md").read_text().startswith("| strategy")
    page = (tmp_path / "suite/suite.html").read_text()
    assert "k_center 20 %" in page and not re.search(r"https?://|<script|<link", page)
    with Image.open(tmp_path / "suite/suite.png") as found_picture:
        assert found_picture.width > 600


# ---- the table


def trial(strategy: str, seed: int, accuracy: float, budget: float = 0.1) -> dict[str, Any]:
    return {
        **{"strategy": strategy, "budget": budget, "seed": seed, "rows": 10, "steps": 5, "worst_class_accuracy": 0.5},
        **{"test": {"accuracy": accuracy, "f1": accuracy}, "train_seconds": 1.0},
        **{"selection_seconds": {"signals": 1.0, "choice": 0.5}},
    }


def test_standings_are_students() -> None:
    from scipy import stats

    own, rival = [0.80, 0.84, 0.82], [0.79, 0.80, 0.81]
    results = [trial("all", s, 0.9, budget=1.0) for s in range(3)]
    results += [trial("k_center", s, a) for s, a in enumerate(own)] + [
        trial("random", s, a) for s, a in enumerate(rival)
    ]
    lines = {line["strategy"]: line for line in standings.standings(results)}
    assert list(lines) == ["all", "k_center", "random"]
    line = lines["k_center"]
    half = 4.302653 * np.std(own, ddof=1) / 3**0.5
    assert line["accuracy"]["mean"] == pytest.approx(0.82) and line["accuracy"]["half_width"] == pytest.approx(
        half, 1e-5
    )
    assert line["share_of_all"] == pytest.approx(0.82 / 0.9)
    assert line["against_random"]["difference"] == pytest.approx(0.02)
    assert line["against_random"]["p"] == pytest.approx(stats.ttest_rel(own, rival).pvalue)
    assert lines["random"]["against_random"] is None
    single = standings.standings([trial("all", 0, 0.9, 1.0), trial("el2n", 0, 0.7), trial("random", 0, 0.8)])
    assert {line["strategy"]: line["accuracy"]["half_width"] for line in single} == dict.fromkeys(
        ("all", "random", "el2n")
    )
    assert "±" not in standings.text(single, True).splitlines()[2]
