"""`tithe select` and `tithe suite`: what they write, and wrong questions in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from support.pages import Page
from support.pools import NAMES
from support.texts import make_texts
from tithe import storage
from tithe.cli.select import FileOptions, _suite_config

Settings = Callable[..., dict[str, Any]]
Tithe = Callable[..., tuple[Any, str, list[str]]]


# ---- one selection


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("name", NAMES)
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
    assert ("--budget 0.1 has no effect: strategy all takes every row" in err) is (name == "all")
    table = pq.read_table(out)
    count = 120 if name == "all" else 12
    assert table.column_names == ["id", "rank", "score", "round", "weight"] and len(table) == count
    ids = table.column("id").to_pylist()
    assert ids == sorted(set(ids)) and min(ids) >= 0 and max(ids) < 120
    assert sorted(table.column("rank").to_pylist()) == list(range(count))
    recorded = json.loads(table.schema.metadata[b"tithe"])
    assert (
        recorded["strategy"] == name and recorded["pool"] == 120 and set(recorded["seconds"]) == {"signals", "choice"}
    )
    assert storage.read_json(tmp_path / "picks.json") == recorded
    with Image.open(tmp_path / "picks.png") as picture:
        assert picture.width > 3 * picture.height - 200, "a map and two histograms, whatever the strategy reads"


@pytest.mark.parametrize(
    "more, says",
    [
        (["--strategy", "k_centre"], "did you mean 'k_center'"),
        (["--budget", "0"], "budget = 0.0 should be greater than 0"),
        (["--budget", "1.5"], "budget = 1.5 should be less than or equal to 1"),
        (["--strategy", "el2n", "--option", "drop=1"], "unknown key 'drop' in select.options of el2n"),
        (["--strategy", "el2n:drop=1"], "unknown key 'drop' in select.options of el2n"),
        (["--budget", "0.001"], "fewer than the 2 that 2 classes need"),
        (["--explain", "120"], "row 120 is not among the 120 rows"),
        (["--balance", "equal"], "balance = 'equal' should be"),
        (["--floor", "-1"], "floor = -1 should be greater than or equal to 0"),
        (["--rounds", "2"], "select.rounds 2 with random"),
        (["--strategy", "ifd", "--language-model", "./nowhere"], "nowhere"),
        (["--option", "weight"], "--option 'weight' is not key=value: write for example --option weight=0.3"),
        (
            ["--set", "select.bugdet=0.5"],
            "unknown key 'select.bugdet' in tithe select and --set: did you mean 'budget'?",
        ),
        (["--out", "picks.json"], "--out picks.json is not a .parquet file: write for example --out picks.parquet"),
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


def test_a_selection_does_not_become_a_part_of_its_data(
    rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    rows.rename(parts / rows.name)
    before = tithe("describe", parts)[:2]
    for source in (parts, f"{parts}/*.parquet"):
        code, _, err = tithe("select", source, "--out", parts / "picks.parquet", "--encoder", tiny_bert)
        assert code == 2 and f"a part of the data {source}: choose another folder" in err[-1]
    assert tithe("describe", parts)[:2] == before


# ---- a selection from a config

OWN = {"strategy": "entropy_diversity", "budget": 0.2, "options": {"weight": 0.3}}
# Options, and the strategy, rows of 96, seed and options that count.
CONFIGS: list[tuple[dict[str, Any], list[str], tuple[str, int, int, dict[str, Any]]]] = [
    ({"select": OWN, "seed": 7}, [], ("entropy_diversity", 19, 7, {"weight": 0.3})),
    ({"select": {**OWN, "seed": 3}, "seed": 7}, [], ("entropy_diversity", 19, 3, {"weight": 0.3})),
    ({"select": OWN, "seed": 7}, ["--budget", "0.1", "--seed", "1"], ("entropy_diversity", 10, 1, {"weight": 0.3})),
    ({"select": OWN, "seed": 7}, ["--option", "weight=0.7"], ("entropy_diversity", 19, 7, {"weight": 0.7})),
    ({"select": OWN, "seed": 7}, ["--strategy", "random"], ("random", 19, 7, {})),
    ({"select": OWN, "seed": 7}, ["--set", "select.budget=0.5"], ("entropy_diversity", 48, 7, {"weight": 0.3})),
    ({"seed": 7}, [], ("random", 10, 7, {})),
]


@pytest.mark.parametrize(("sections", "more", "expected"), CONFIGS, ids=[f"{s} {m}" for s, m, _ in CONFIGS])
def test_a_config_s_own_section_and_seed_count_where_no_option_overrides_them(
    sections: dict[str, Any],
    more: list[str],
    expected: tuple[str, int, int, dict[str, Any]],
    settings: Settings,
    tmp_path: Path,
    tithe: Tithe,
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings(**sections)))
    code, _, err = tithe("select", file, "--out", tmp_path / "picks.parquet", *more)
    assert code == 0, err
    found = storage.read_json(tmp_path / "picks.json")
    assert (found["strategy"], found["rows"], found["seed"], found["settings"]["options"]) == expected


def test_a_config_chooses_what_a_run_of_it_chooses(settings: Settings, tmp_path: Path, tithe: Tithe) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings(model={"freeze": "all"}, select=OWN, seed=7, train={"epochs": 1})))
    for command in (["select", "--out", tmp_path / "picks.parquet"], ["train", "--out", tmp_path / "run"]):
        code, _, err = tithe(*command, file)
        assert code == 0, err
    assert pq.read_table(tmp_path / "picks.parquet") == pq.read_table(tmp_path / "run/selection.parquet")


@pytest.mark.parametrize("command", ["select", "suite"])
@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("--encoder", "minilm", "model.encoder=minilm"),
        ("--max-length", "16", "model.max_length=16"),
        ("--text-column", "review", "data.text_column=review"),
        ("--label-column", "stars", "data.label_column=stars"),
    ],
)
def test_an_option_for_a_file_is_refused_for_a_config(
    command: str, option: str, value: str, key: str, settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(settings()))
    code, _, err = tithe(command, file, "--out", tmp_path / "out.parquet", option, value)
    assert code == 2
    assert err == [f"error: {option} {value} is for a data file: pass --set {key} with a config"]


# ---- settings for a data file

# Options, and the settings of the selection that are recorded; `qdit_lite` reads what the model of a round predicts.
SETTINGS: list[tuple[list[str], dict[str, Any]]] = [
    (["--balance", "uniform", "--floor", "3"], {"balance": "uniform", "floor": 3, "rounds": 1, "seed": 0}),
    (["--set", "select.balance=none", "--set", "select.floor=0"], {"balance": "none", "floor": 0}),
    (["--set", "seed=5"], {"seed": 5}),
    (["--set", "seed=5", "--seed", "2"], {"seed": 2}),
    (["--set", "select.floor=2", "--floor", "3"], {"floor": 3}),
    (["--strategy", "qdit_lite", "--rounds", "2"], {"rounds": 2}),
    (["--strategy", "qdit_lite", "--set", "select.options.weight=0.2"], {"options": {}}),
    (["--set", "select.strategy=qdit_lite", "--set", "select.options.weight=0.2"], {"options": {"weight": 0.2}}),
]


@pytest.mark.parametrize(("more", "expected"), SETTINGS, ids=[" ".join(more) for more, _ in SETTINGS])
def test_settings_of_a_selection_from_a_file(
    more: list[str], expected: dict[str, Any], rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe
) -> None:
    asked = ["select", rows, "--out", tmp_path / "picks.parquet", "--encoder", tiny_bert, "--max-length", 32, *more]
    code, _, err = tithe(*asked)
    assert code == 0, err
    found = storage.read_json(tmp_path / "picks.json")
    assert {name: {**found["settings"], "seed": found["seed"]}[name] for name in expected} == expected
    assert len(found["rounds"]) == expected.get("rounds", 1)


def test_a_setting_that_a_selection_from_a_file_does_not_use_is_named(
    rows: Path, tiny_bert: Path, tmp_path: Path, tithe: Tithe
) -> None:
    asked = ["select", rows, "--out", tmp_path / "picks.parquet", "--encoder", tiny_bert, "--strategy", "all"]
    code, _, err = tithe(*asked, "--max-length", 32, "--floor", "2", "--set", "data.test_ratio=0.3")
    assert code == 0, err
    assert "--floor 2 has no effect: strategy all takes every row" in err
    assert f"data.test_ratio 0.3 has no effect: all rows of {rows} are in the pool" in "\n".join(err)
    assert storage.read_json(tmp_path / "picks.json")["rows"] == 120


@pytest.mark.parametrize("numbers", [False, True])
def test_picks_hold_text_and_label_on_request(numbers: bool, tiny_bert: Path, tmp_path: Path, tithe: Tithe) -> None:
    texts, labels = make_texts(30)
    classes = [7 if label == "sport" else 11 for label in labels] if numbers else labels
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"review": [f" {text}" for text in texts], "stars": classes}), path)
    columns = ["--text-column", "review", "--label-column", "stars"]
    asked = ["select", path, "--out", tmp_path / "picks.parquet", "--encoder", tiny_bert, "--with-rows"]
    code, _, err = tithe(*asked, *columns, "--max-length", 32)
    assert code == 0, err
    table = pq.read_table(tmp_path / "picks.parquet")
    assert table.column_names == ["id", "rank", "score", "round", "weight", "text", "label"]
    for row in table.to_pylist():
        assert (row["text"], row["label"]) == (texts[row["id"]], classes[row["id"]])


def test_a_setting_that_the_strategy_does_not_use_is_named(settings: Settings, tmp_path: Path, tithe: Tithe) -> None:
    file = tmp_path / "config.json"
    for strategy, remarked in (("random", True), ("k_center", True), ("el2n", False)):
        file.write_text(json.dumps(settings(select={"strategy": strategy, "folds": 3, "budget": 0.2})))
        code, _, err = tithe("select", file, "--out", tmp_path / "picks.parquet")
        says = f"select.folds 3 has no effect: strategy {strategy} does not use it"
        assert code == 0 and (says in err) is remarked


# ---- the suite


@pytest.mark.parametrize(("settings", "share"), [([], 0.2), (["data.test_ratio=0.3"], 0.3), (["data.test=t.csv"], 0.1)])
def test_a_suite_holds_rows_out_where_the_data_have_no_test_split(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], share: float
) -> None:
    (tmp_path / "t.csv").write_text("text,label\n")
    monkeypatch.chdir(tmp_path)
    found = _suite_config(rows, FileOptions(None, None, None, None), settings)
    assert found.data.test_ratio == share


def test_a_suite_takes_the_budget_of_its_config_and_names_what_it_does_not_use(
    settings: Settings, tmp_path: Path, tithe: Tithe
) -> None:
    file = tmp_path / "config.json"
    sections = {"select": {"budget": 0.25}, "train": {"epochs": 1, "ema_decay": 0.9, "label_smoothing": 0.1}}
    file.write_text(json.dumps(settings(model={"freeze": "all"}, **sections)))
    code, _, err = tithe("suite", file, "--strategies", "random", "--seeds", "0", "--out", tmp_path / "suite")
    assert code == 0, err
    budgets = {line["budget"] for line in storage.read_json(tmp_path / "suite/suite.json")["standings"]}
    assert budgets == {0.25, 1.0}
    unused = [line for line in err if "has no effect in a suite" in line]
    assert [line.split()[0] for line in unused] == ["train.label_smoothing", "train.ema_decay"]


@pytest.mark.usefixtures("drawn")
def test_the_command_ends_with_a_table(
    rows: Path, tiny_bert: Path, tiny_modernbert: Path, tmp_path: Path, tithe: Tithe
) -> None:
    asked = ["suite", rows, "--strategies", "k_center,el2n", "--seeds", "0,1", "--budgets", "0.2", "--max-length", 32]
    asked += ["--encoder", tiny_bert, "--reader", tiny_modernbert, "--option", "drop_hardest=0.2"]
    code, said, err = tithe(*asked, "--out", tmp_path / "suite")
    assert code == 0, err
    found = storage.read_json(tmp_path / "suite/suite.json")
    assert {line["strategy"]: line["options"] for line in found["standings"] if line["options"]} == {
        "el2n": {"drop_hardest": 0.2}
    }
    assert "Options: el2n drop_hardest 0.2." in said
    assert {line["strategy"] for line in found["standings"]} == {"all", "random", "k_center", "el2n"}
    assert "a logistic regression each" in said and "k_center 20 %" in said
    title = "Strategies compared, track T1: all labels are known"
    page, table = (tmp_path / f"suite/suite.{kind}" for kind in ("html", "md"))
    assert table.read_text().startswith(f"{title}\n\n| strategy") and title in Page(page.read_text()).text
    assert found["track"] == "T1" and {line["track"] for line in found["standings"]} == {"T1"}
    for line in found["standings"]:
        measured = [name for name, result in line["controls"].items() if result]
        assert measured == (["reader"] if line["strategy"] == "all" else ["wrong", "reader"])
        assert line["controls"]["reader"]["encoder"] == str(tiny_modernbert)
    assert f"Other reader: a logistic regression on frozen {tiny_modernbert.name}" in Page(page.read_text()).text
    assert "k_center 20 %" in Page((tmp_path / "suite/suite.html").read_text()).text
    with Image.open(tmp_path / "suite/suite.png") as found_picture:
        assert found_picture.width > 600
