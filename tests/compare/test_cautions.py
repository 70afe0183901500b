"""A cause for every note on a comparison, and a note for every cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.comparisons import Make, edit, kinds, noted
from tithe import storage
from tithe.compare import cautions, compare_runs
from tithe.compare import page as comparison_page
from tithe.storage import freeze_proof

# ---- notes, each with its cause


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lame", set()),
        ("eager", {"factors", "steps", "rows"}),
        ("seed", {"seed", "split"}),
        ("data", {"data"}),
        ("frozen", {"factors"}),
        ("untested", {"split", "unjudged", "best_by", "factors", "steps", "rows"}),
        ("diverged", {"factors", "unfinished"}),
    ],
)
def test_a_run_has_the_notes_it_deserves_and_no_others(made: Path, name: str, expected: set[str]) -> None:
    found = compare_runs([made / "base", made / name])
    assert kinds(found, name) == expected
    assert kinds(found, "base") == set()


def test_notes_say_what_it_is(made: Path) -> None:
    found = compare_runs([made / name for name in ("base", "eager", "seed", "untested", "diverged")])
    assert noted(found, "factors") == [
        "eager: 2 settings differ from base (train.epochs, train.learning_rate): "
        "the effect can't be attributed to one of them",
        "untested: 2 settings differ from base (data.test_ratio, checkpoint.best_by): "
        "the effect can't be attributed to one of them",
        "diverged: 2 settings differ from base (train.learning_rate, train.clip_norm): "
        "the effect can't be attributed to one of them",
    ]
    assert noted(found, "seed") == ["seed: different seed (1) than base (0): part of any difference is chance"]
    assert "chosen by loss, that of base by f1" in noted(found, "best_by")[0]
    assert noted(found, "unfinished") == ["diverged: not finished (0 of 2 epochs done), so its scores are left out"]
    assert noted(found, "split") == [
        "seed, untested: different rows in validation or test than base: the scores are not comparable"
    ]
    # The gravest stand first.
    assert [note.kind for note in found.notes] == sorted(
        (note.kind for note in found.notes), key=list(cautions._KINDS).index
    )


@pytest.mark.parametrize(
    ("file", "change", "key"),
    [
        ("environment.json", lambda e: e["packages"].update(torch="2.0"), "torch"),
        ("environment.json", lambda e: e.update(cpu_count=e["cpu_count"] + 1), "cpu_count"),
        ("metrics.json", lambda m: m["training"].update(device="cuda"), "device"),
        ("metrics.json", lambda m: m["training"].update(precision="bf16"), "precision"),
    ],
)
def test_other_machines_are_named(copy: Make, made: Path, file: str, change: Callable[[Any], object], key: str) -> None:
    home = copy("base", "elsewhere")
    edit(home / file, change)
    found = compare_runs([made / "base", home])
    assert noted(found, "machine") == [
        f"elsewhere: different {key} than base: times and last digits are not comparable",
    ]
    # The precision that was decided changes results, whatever was asked for.
    assert list(found.factors) == (["train.precision"] if key == "precision" else [])


def test_one_other_setting_is_one_factor(made: Path, copy: Make) -> None:
    home = copy("base", "by_loss")
    edit(home / "config.json", lambda c: c["checkpoint"].update(best_by="loss"))
    found = compare_runs([made / "base", home])
    assert kinds(found, "by_loss") == {"best_by"}
    assert found.factors == {"checkpoint.best_by": ["f1", "loss"]}


def test_overfitting_is_noted_beyond_five_percent(made: Path, copy: Make) -> None:
    found = compare_runs([made / "eager", made / "base"])
    rise = found.runs[0].overfitting
    assert rise and rise.rise > 0.05
    assert noted(found, "overfitting")[0].startswith(f"eager: its validation loss rose by {100 * rise.rise:.0f} %")
    home = copy("base", "calm")
    history = [{**r, "loss": 0.5 + 0.02 * r["epoch"]} for r in storage.read_lines(home / "history.jsonl")]
    storage.write_lines(home / "history.jsonl", history)
    assert "calm" not in str(noted(compare_runs([made / "base", home]), "overfitting"))  # 4 % from 0.52


def test_chance_is_noted_when_the_interval_holds_zero(made: Path, copy: Make) -> None:
    twin = copy("base", "twin")
    found = compare_runs([made / "base", twin, made / "lame"])
    _, same, lame = found.runs
    assert same.difference == (0, 0, 0, 0)
    assert lame.difference and lame.difference.beyond_chance and lame.difference.value < 0
    scores = [storage.read_json(made / name / "metrics.json")["test_score"] for name in ("base", "lame")]
    assert lame.difference.value == pytest.approx(scores[1] - scores[0], abs=1e-12)
    assert [note.runs for note in found.notes if note.kind == "chance"] == [("twin",)]


def test_a_difference_of_few_rows_is_noted_with_their_number(made: Path, copy: Make) -> None:
    homes = [copy("base", "some"), copy("lame", "few")]
    one, other = (pq.read_table(home / "test" / "predictions.parquet").sort_by("row") for home in homes)
    label_N, one_N, other_N = (np.asarray(column) for column in (one["label"], one["predicted"], other["predicted"]))
    rows = np.flatnonzero((one_N == label_N) & (other_N != label_N))[:3]
    for home, table in zip(homes, (one, other), strict=True):
        pq.write_table(table.take(rows), home / "test" / "predictions.parquet")
    found = compare_runs(homes)
    (says,) = noted(found, "chance")
    assert "-1.0000 comes from 3 rows of the test, too few to tell" in says
    assert found.runs[1].difference and found.runs[1].difference.differing == 3


def test_other_rows_or_no_predictions_are_not_judged(made: Path, copy: Make) -> None:
    bare = copy("lame", "bare")
    (bare / "test" / "predictions.parquet").unlink()
    found = compare_runs([made / "base", bare, made / "seed", made / "data", made / "diverged"])
    assert [run.difference for run in found.runs] == [None] * 5
    assert [note.runs for note in found.notes if note.kind == "unjudged"] == [("bare",)]


# ---- the freeze proof


def tampered(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda home: edit(home / "freeze_proof.json", change)


def first_tensor(proof: Any) -> Any:
    return next(iter(proof["tensors"].values()))


def broken(found: Any) -> None:
    """What the pipeline would have written, had a frozen tensor changed."""
    next(iter(found["tensors"].values()))["after"] = "0" * 64
    found.update(freeze_proof.content(found["freeze"], found["tensors"]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda home: (home / "freeze_proof.json").unlink(), "there is no freeze_proof.json"),
        (tampered(broken), "freeze is all, but 1 frozen tensor changed"),
        (tampered(lambda p: p["overall"].update(after="0" * 64)), "contradicts itself"),
        (tampered(lambda p: first_tensor(p).update(after="0" * 64)), "contradicts itself"),
        (tampered(lambda p: first_tensor(p).update(frozen=False)), "contradicts itself"),
        (tampered(lambda p: p.update(holds=False)), "contradicts itself"),
        (tampered(lambda p: p["tensors"].popitem()), "contradicts itself"),
        (tampered(lambda p: (broken(p), p.update(holds=True, changed=[]))), "contradicts itself"),
        (tampered(lambda p: p.update(freeze=1)), "contradicts itself or the config"),
    ],
)
def test_a_freeze_that_is_not_proven_is_noted(
    made: Path, copy: Make, change: Callable[[Path], None], text: str
) -> None:
    home = copy("frozen", "changed")
    change(home)
    found = compare_runs([made / "frozen", home])
    assert [note.runs for note in found.notes if note.kind == "freeze"] == [("changed",)]
    assert text in noted(found, "freeze")[0]
    cell = dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["freeze"]
    assert cell[0] == "all, proven" and cell[1] != cell[0]


def test_an_unfinished_run_owes_no_proof(made: Path, copy: Make) -> None:
    home = copy("frozen", "stopped")
    for name in ("freeze_proof.json", "metrics.json"):
        (home / name).unlink()
    found = compare_runs([made / "frozen", home])
    assert kinds(found, "stopped") == {"unfinished"}
    assert noted(found, "unfinished") == ["stopped: not finished (2 of 2 epochs done), so its scores are left out"]
    assert found.runs[1].score("test_score") is None and found.runs[1].stability
