"""Which settings differ between runs, and which runs a path means."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.comparisons import RUNS, Make, edit, noted
from tithe.compare import NO_EFFECT, compare_runs
from tithe.compare import page as comparison_page
from tithe.errors import InputError

# ---- what differs


def test_settings_without_effect_are_no_factors(made: Path, copy: Make) -> None:
    home = copy("base", "same")

    def change(c: Any) -> None:
        c["data"].update(path="elsewhere.csv", reader="csv", num_workers=2)
        c["model"].update(hidden_dim=7)  # the head is linear
        c["train"].update(num_cycles=3.0, log_every_steps=9, device="auto", cache_features=False)
        c["checkpoint"].update(keep=9, every_batches=3)
        c["track"].update(tensorboard=True)

    edit(home / "config.json", change)
    found = compare_runs([made / "base", home])
    assert found.factors == {} and found.runs[1].differing == {}
    assert "all alike" in comparison_page.text(found)


def test_what_an_earlier_version_left_to_the_run_is_no_factor(made: Path, copy: Make) -> None:
    home = copy("base", "earlier")
    edit(home / "config.json", lambda c: c["model"].update(pooling="auto", attention="auto"))
    assert compare_runs([made / "base", home]).factors == {} == compare_runs([home, made / "base"]).factors


def test_a_setting_that_follows_from_another_is_shown_and_not_counted(made: Path, copy: Make) -> None:
    narrow, wide = copy("base", "narrow"), copy("base", "wide")
    for home, width in ((narrow, 64), (wide, 128)):
        edit(home / "config.json", lambda c, w=width: c["model"].update(head="mlp", hidden_dim=w))
    found = compare_runs([made / "base", narrow, wide])
    assert found.factors == {"model.head": ["linear", "mlp", "mlp"], "model.hidden_dim": [NO_EFFECT, 64, 128]}
    assert [list(run.differing) for run in found.runs] == [[], ["model.head"], ["model.head"]]
    assert noted(found, "factors") == []
    assert noted(compare_runs([narrow, made / "base", wide]), "factors") == []


def test_data_are_told_apart_by_what_is_in_them(made: Path, copy: Make) -> None:
    moved = copy("base", "moved")
    edit(moved / "data_report.json", lambda report: report.update(file="renamed.csv"))
    assert compare_runs([made / "base", moved]).factors == {}
    values = compare_runs([made / "base", made / "data"]).factors["data"]
    assert values[0] != values[1] and "2 classes" in values[0] and "3 classes" in values[1]


# ---- which runs


def test_a_folder_stands_for_its_runs_and_a_run_counts_once(made: Path) -> None:
    found = compare_runs([made / "lame", made, made / "seed" / ".." / "lame"])
    assert [run.files.name for run in found.runs] == ["lame", *(name for name in sorted(RUNS) if name != "lame")]


def test_runs_of_the_same_name_are_told_apart(made: Path, copy: Make) -> None:
    found = compare_runs([made / "base", copy("base", "base")])
    assert [run.files.name for run in found.runs] == [f"{made.name}/base", "copies/base"]


def test_a_run_in_a_folder_named_by_the_time_has_the_name_of_its_config(made: Path, copy: Make) -> None:
    homes = [copy("lame", "20250101-000000"), copy("eager", "a-20250101-000001"), copy("eager", "a-20250101-000002-2")]
    names = [run.files.name for run in compare_runs([made / "base", *homes]).runs]
    assert names == ["base", "lame", "eager 20250101-000001", "eager 20250101-000002-2"]


def test_settings_that_were_asked_for_are_shown_though_they_agree(made: Path) -> None:
    found = compare_runs([made / "base", made / "seed"], ["train.learning_rate", "seed", "train.precision"])
    assert found.columns == {"train.learning_rate": [5e-3, 5e-3], "seed": [0, 1], "train.precision": ["no", "no"]}
    assert found.factors == {"seed": [0, 1]}
    assert [label for label, _ in comparison_page.in_terminal(comparison_page.factor_rows(found))] == list(
        found.columns
    )
    documented = compare_runs([made / "base", made / "eager"], ["training.epochs"])
    assert documented.columns == {"training.epochs": documented.factors["train.epochs"]}
    assert list(documented.settings) == [
        "training.epochs",
        *(key for key in documented.factors if key != "train.epochs"),
    ]
    with pytest.raises(InputError, match=r"no run has a setting 'train.learning': did you mean 'train.learning_rate'"):
        compare_runs([made], ["train.learning"])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["base", "nowhere"], r"no folder .*nowhere .*: pass run directories, or a folder of them"),
        (["base", "base/assets/encoder"], r"encoder contains no run .*: pass run directories"),
        (["base", "base/metrics.json"], r"metrics.json contains no run"),
        (["base"], r"only one run \(.*base\): pass two or more"),
        (["base", "base/"], r"only one run"),
        ([], r"no run: pass two or more"),
    ],
)
def test_a_wrong_path_is_an_error_with_its_cure(made: Path, paths: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        compare_runs([made / path for path in paths])
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_named(made: Path, copy: Make) -> None:
    home = copy("base", "torn")
    (home / "test" / "predictions.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"predictions\.parquet can't be read"):
        compare_runs([made / "base", home])
    (home / "metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics\.json is not JSON"):
        compare_runs([made / "base", home])


@pytest.mark.parametrize(
    "name", ["config.json", "history.jsonl", "metrics.json", "data_report.json", "test/predictions.parquet"]
)
def test_a_finished_run_that_was_changed_is_not_compared(name: str, made: Path, tmp_path: Path) -> None:
    home = shutil.copytree(made / "base", tmp_path / "base")
    assert compare_runs([home, made / "eager"])
    (home / name).write_bytes((home / name).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"base has changed since it was written: {name}") as error:
        compare_runs([home, made / "eager"])
    assert "\n" not in str(error.value)
