"""The functions of `tithe` do what the commands do, and show their results in a notebook."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import tithe
from support.command_line import Run, Trained
from support.pages import HOSTILE
from tithe.errors import InputError
from tithe.runs.finish import Outcome


def test_predict_takes_one_text_or_many_as_the_command_does(trained: Trained, run: Run) -> None:
    texts = ["rocket orbit moon", "the goal of the match"]
    printed = [json.loads(line) for line in run("predict", trained.home, *texts, "--json").out.splitlines()]
    predictions = tithe.predict(trained.home, np.array(texts))
    assert [{"text": text, **p.columns()} for text, p in zip(texts, predictions, strict=True)] == printed
    [alone] = tithe.predict(str(trained.home), texts[1])
    assert alone.label == "sport" and alone.probability == pytest.approx(predictions[1].probability, abs=1e-5)
    with pytest.raises(InputError, match="input 1 is None"):
        tithe.predict(trained.home, ["a text", None])  # type: ignore[list-item]


def test_evaluate_gives_the_scores_of_the_run(trained: Trained, tmp_path: Path) -> None:
    result = tithe.evaluate(trained.home, out=tmp_path / "scores", splits=["test"])
    expected = json.loads((trained.home / "test/metrics.json").read_text())
    assert result.scores.keys() == {"test"} and result.folder == tmp_path / "scores"
    assert result.scores["test"]["accuracy"] == expected["accuracy"]
    shown = result._repr_html_().replace("<wbr>", "")
    assert "<table" in shown and str(tmp_path / "scores") in shown and "test" in shown
    with pytest.raises(InputError, match="splits"):
        tithe.evaluate(trained.home, splits=["tset"], out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_select_writes_the_file_of_the_command(rows: Path, tiny_bert: Path, run: Run, tmp_path: Path) -> None:
    how = {"encoder": str(tiny_bert), "max_length": 32}
    picks = tithe.select(rows, "random", budget=0.2, seed=3, out=tmp_path / "own.parquet", balance="none", **how)
    asked = ["--strategy", "random", "--budget", 0.2, "--seed", 3, "--balance", "none", "--out", tmp_path / "a.parquet"]
    assert run("select", rows, *asked, "--encoder", tiny_bert, "--max-length", 32).code == 0
    tables = [pq.read_table(tmp_path / name) for name in ("own.parquet", "a.parquet")]
    assert tables[0].equals(tables[1]) and sorted(picks.ids) == tables[0].column("id").to_pylist()
    shown = picks._repr_html_()
    assert "random: 24 of 120 rows" in shown and "sport" in shown and "<td>60</td>" in shown


WRONG = [
    ({"out": "picks.csv"}, InputError, "is not a .parquet file"),
    ({"out": "rows.parquet"}, InputError, "would overwrite"),
    ({"strategy": "randm"}, InputError, "random"),
    ({"budget": -1.0}, InputError, "budget"),
    ({"bugdet": 0.1}, TypeError, "unexpected keyword argument 'bugdet'"),
]


@pytest.mark.parametrize(("arguments", "error", "says"), WRONG)
def test_select_refuses_what_the_command_does(
    arguments: dict[str, object], error: type[Exception], says: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows.parent)
    for source in (rows, {"data": {"path": str(rows)}}):
        with pytest.raises(error, match=says):
            tithe.select(source, **{"strategy": "random", **arguments})
    assert [path.name for path in rows.parent.iterdir()] == [rows.name]


def test_options_for_a_file_are_refused_for_a_config(rows: Path) -> None:
    with pytest.raises(InputError, match="encoder is for a data file: set it in the config"):
        tithe.select({"data": {"path": str(rows)}}, "random", encoder="minilm")


def test_a_finished_run_is_a_table_in_a_notebook() -> None:
    scores = {"test": {"accuracy": 0.875, "rows": 8}, "validation": {"accuracy": 0.5, "rows": 4}, "baseline": 1}
    shown = Outcome(Path(f"runs/{HOSTILE}"), Path("runs/x/checkpoints/best"), scores)._repr_html_()
    assert HOSTILE not in shown and "0.875" in shown and "0.5" in shown and "baseline" not in shown
    assert shown.index("validation") < shown.index("test")
