"""What runs did is compared, whatever their settings say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.comparisons import Make, edit, kinds, noted
from tithe import storage
from tithe.compare import compare_runs
from tithe.compare import page as comparison_page
from tithe.compare.effort import measure_effort
from tithe.compare.runs import read_runs

NEW = {"steps", "rows", "early_stopping", "texts_cut", "random", "all"}


def keep_epochs(home: Path, epochs: int) -> None:
    """Cut a run's history as if it had stopped after some epochs."""
    records = [record for record in storage.read_lines(home / "history.jsonl") if record["epoch"] <= epochs]
    storage.write_lines(home / "history.jsonl", records)


def count_tokens(home: Path, max_length: int, *cut: int) -> None:
    """Say how many of 40 training, 20 validation and 20 test texts were cut."""
    parts = zip(("train", "val", "test"), (40, 20, 20), cut, strict=True)
    tokens = {name: {"texts": n, "texts_cut": c, "tokens": 9 * n, "tokens_lost": c} for name, n, c in parts}
    edit(home / "data_report.json", lambda report: report.update(tokens={"max_length": max_length, **tokens}))


def test_steps_and_rows_are_those_of_the_run(made: Path) -> None:
    runs = compare_runs([made / "base", made / "eager", made / "diverged"]).as_json()["runs"]
    assert [(run["epochs"], run["steps"], run["rows_seen"]) for run in runs[:2]] == [(2, 20, 160), (12, 120, 960)]
    assert [run["stopped_early"] for run in runs] == [False] * 3 and runs[2]["epochs"] == 0
    assert [run["texts_cut"]["train"] for run in runs] == [0.0] * 3


@pytest.mark.parametrize(
    ("train", "rows", "steps", "seen"),
    [
        ({"batch_size": 8}, 41, 12, 82),  # six steps an epoch, the last of one row
        ({"batch_size": 8, "drop_last": True}, 41, 10, 80),
        ({"batch_size": 4, "accumulation_steps": 3}, 40, 6, 64),  # four steps an epoch, and two more
        ({"batch_size": 64}, 40, 2, 80),
    ],
)
def test_rows_seen_follow_from_the_steps(copy: Make, train: dict[str, Any], rows: int, steps: int, seen: int) -> None:
    home = copy("base", "counted")
    edit(home / "config.json", lambda config: config["train"].update(train))
    edit(home / "data_report.json", lambda report: report["splits"].update(train_after_balancing=rows))
    storage.write_lines(home / "history.jsonl", [{"kind": "train", "epoch": 1, "step": steps, "batch_loss": 1.0}])
    (run,) = read_runs([home])
    assert measure_effort(run).rows == seen


def test_another_length_of_training_is_noted(made: Path) -> None:
    found = compare_runs([made / "base", made / "eager"])
    assert noted(found, "steps") == [
        "eager: took 120 optimizer steps, base 20: part of any difference is the length of training; "
        "set train.epochs so that both take as many steps"
    ]
    assert noted(found, "rows") == [
        "eager: saw 960 rows in training (12 epochs), base 160 (2 epochs): "
        "part of any difference is the amount of training"
    ]


def test_other_epochs_that_even_out_the_steps_are_no_factor(made: Path, copy: Make) -> None:
    """A fifth of the rows for five times the epochs; of the same rows, other epochs remain a factor."""
    home = copy("lame", "part")
    edit(home / "config.json", lambda config: config["train"].update(epochs=10))
    edit(home / "data_report.json", lambda report: report["splits"].update(train_after_balancing=16))
    history = [
        {**record, "epoch": 10 if record["step"] == 20 else 1} for record in storage.read_lines(home / "history.jsonl")
    ]
    storage.write_lines(home / "history.jsonl", history)
    found = compare_runs([made / "base", home])
    assert set(found.runs[1].differing) == {"train.epochs", "train.learning_rate"}
    assert kinds(found, "part") == set()
    edit(home / "data_report.json", lambda report: report["splits"].update(train_after_balancing=80))
    assert kinds(compare_runs([made / "base", home]), "part") == {"factors"}


@pytest.mark.parametrize("names", [["base", "twin"], ["base", "frozen"], ["base", "lame"]])
def test_as_many_steps_need_no_caution(made: Path, copy: Make, names: list[str]) -> None:
    homes = [copy("base", "twin") if name == "twin" else made / name for name in names]
    assert not {note.kind for note in compare_runs(homes).notes} & NEW


def test_an_early_stop_is_noted_from_either_side(made: Path, copy: Make) -> None:
    home = copy("eager", "early")
    keep_epochs(home, 3)
    found = compare_runs([made / "eager", home])
    why = "one length was chosen on validation rows, the other was set"
    assert noted(found, "early_stopping") == [
        f"early: stopped early after epoch 3 of 12, eager trained all its 12 epochs: {why}"
    ]
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["epochs"] == [
        "12",
        "3 of 12, stopped early",
    ]
    assert noted(compare_runs([home, made / "eager"]), "early_stopping") == [
        f"eager: trained all its 12 epochs, early stopped early after epoch 3 of 12: {why}"
    ]
    (home / "metrics.json").unlink()
    assert noted(compare_runs([made / "eager", home]), "early_stopping") == []


def test_a_run_that_validates_every_second_epoch_is_whole(made: Path, copy: Make) -> None:
    home = copy("eager", "rare")
    history = storage.read_lines(home / "history.jsonl")
    kept = [record for record in history if record["kind"] != "val" or record["epoch"] % 2 == 0]
    storage.write_lines(home / "history.jsonl", kept)
    found = compare_runs([made / "eager", home])
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["epochs"] == ["12", "12"]
    assert not kinds(found, "rare") & NEW and found.runs[1].as_json()["epochs"] == 12
    best = 2 * (found.runs[1].overfitting or pytest.fail("no validation")).best_epoch
    assert all(f"epoch {best} of 12" in note for note in noted(found, "overfitting") if note.startswith("rare"))


@pytest.mark.parametrize(
    ("max_length", "cut", "is_noted"),
    [
        (32, (4, 2, 2), False),
        (32, (5, 2, 2), False),  # other rows, much the same
        (32, (9, 2, 2), True),
        (64, (0, 0, 0), True),
        (64, (4, 2, 2), False),  # another limit without effect
    ],
)
def test_texts_cut_elsewhere_are_noted(copy: Make, max_length: int, cut: tuple[int, int, int], is_noted: bool) -> None:
    one, other = copy("base", "one"), copy("base", "other")
    count_tokens(one, 32, 4, 2, 2)
    count_tokens(other, max_length, *cut)
    found = compare_runs([one, other])
    assert bool(noted(found, "texts_cut")) is is_noted and noted(found, "data") == []
    share = f"{100 * cut[0] / 40:.1f} %"
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["texts cut, train"] == [
        "10.0 %",
        share,
    ]
    shares = {"train": cut[0] / 40, "val": cut[1] / 20, "test": cut[2] / 20}
    assert found.runs[1].as_json()["texts_cut"] == {"max_length": max_length, **shares}


def test_texts_cut_are_named_by_part(copy: Make) -> None:
    one, other = copy("base", "one"), copy("base", "other")
    count_tokens(one, 32, 4, 2, 2)
    count_tokens(other, 16, 20, 9, 10)
    assert noted(compare_runs([one, other]), "texts_cut") == [
        "other: cut 50.0 % of train, 45.0 % of val, 50.0 % of test texts at 16 tokens; "
        "one 10.0 % of train, 10.0 % of val, 10.0 % of test texts at 32: they did not read the same texts"
    ]


def test_runs_that_did_not_count_their_tokens_say_nothing_of_them(copy: Make) -> None:
    earlier, counted = copy("base", "earlier"), copy("base", "counted")
    edit(earlier / "data_report.json", lambda report: report.pop("tokens"))
    count_tokens(counted, 32, 40, 20, 20)
    found = compare_runs([earlier, counted])
    assert noted(found, "texts_cut") == [] and noted(found, "data") == []
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["texts cut, train"] == ["–", "100.0 %"]
    shutil.copytree(earlier, earlier.with_name("again"))
    both = compare_runs([earlier, earlier.with_name("again")])
    assert not any("texts cut" in label for label, _ in comparison_page.in_terminal(comparison_page.result_rows(both)))
