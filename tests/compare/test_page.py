"""A comparison shown to programs and to people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.comparisons import RUNS, Make, edit
from support.pages import HOSTILE, Page, english_in
from tithe import storage
from tithe.compare import Comparison, compare_runs, spreadsheet
from tithe.compare import page as comparison_page

pytestmark = pytest.mark.usefixtures("real_figures")

RUN_KEYS = [
    *("home", "name", "finished", "config_differences", "score", "best_val_score", "test_score", "test_interval_95"),
    *("epochs", "steps", "rows_seen", "stopped_early", "texts_cut", "best_epoch", "seconds", "seconds_per_epoch"),
    *("parameters_trained", "stability", "overfitting", "freeze", "difference_to_first"),
]


def test_json_has_stable_keys_and_the_runs_own_numbers(made: Path) -> None:
    found = json.loads(json.dumps(compare_runs([made]).as_json(), allow_nan=False))
    assert list(found) == ["runs", "factors", "columns", "notes"]
    assert all(list(run) == RUN_KEYS for run in found["runs"])
    assert all(list(note) == ["kind", "text", "runs"] for note in found["notes"])
    assert all(len(values) == len(found["runs"]) for values in found["factors"].values())
    runs = {run["name"]: run for run in found["runs"]}
    assert list(runs["eager"]["stability"]) == ["scatter", "spikes", "word"]
    assert runs["frozen"]["freeze"] == {
        "asked": "all",
        "verdict": "frozen: no frozen tensor changed",
        "holds": True,
    }
    assert runs["eager"]["config_differences"] == {"train.epochs": 12, "train.learning_rate": 1e-2}
    assert list(runs["eager"]["difference_to_first"]) == [*("score", "interval_95", "beyond_chance")]
    for name in ("eager", "untested"):
        result = storage.read_json(made / name / "metrics.json")
        assert runs[name]["best_val_score"] == result["best_val_score"]
        assert runs[name]["test_score"] == result["test_score"]
        assert runs[name]["seconds"] == result["training"]["seconds"] + result["training"]["preparation_seconds"]
    assert (
        runs["base"]["test_interval_95"] == storage.read_json(made / "base/metrics.json")["test"]["interval_95"]["f1"]
    )
    assert not runs["diverged"]["finished"] and runs["diverged"]["best_val_score"] is None


def test_few_runs_are_columns_and_many_are_rows(made: Path) -> None:
    few = comparison_page.text(compare_runs([made / "base", made / "eager", made / "diverged"])).splitlines()
    assert few[0].split() == ["base", "eager", "diverged"]
    assert few[1].split() == ["train.epochs", "2", "12", "2"]
    many = comparison_page.text(compare_runs([made])).splitlines()
    assert many[0].split()[0] == "seed" and [line.split()[0] for line in many[1:4]] == sorted(RUNS)[:3]
    for lines in (few, many):
        blank = lines.index("")
        assert len({len(line) for line in lines[:blank]}) == 1, "the columns are not aligned"
        notes = [i for i, line in enumerate(lines) if line.startswith("! ")]
        assert notes == list(range(notes[0], len(lines))), "the notes do not stand last"


@pytest.mark.parametrize("count", [2, 5, 8])
def test_no_table_is_wider_than_a_page(count: int, made: Path, copy: Make) -> None:
    names = [copy("base", f"a_run_with_a_name_of_forty_characters_{n:03}") for n in range(count - 1)]
    text = comparison_page.text(compare_runs([made / "eager", *names], ["data.path", "model.encoder"]))
    table = text.partition("\n\n! ")[0].splitlines()
    assert max(map(len, table)) <= 100
    for n in range(count - 1):
        assert f"forty_characters_{n:03}" in text.partition("\n\n! ")[0]


def test_the_table_says_what_came_out(made: Path) -> None:
    found = compare_runs([made / "base", made / "lame", made / "diverged", made / "untested"])
    table = dict(comparison_page.in_terminal(comparison_page.result_rows(found)))
    scores = [storage.read_json(made / name / "metrics.json") for name in ("base", "lame")]
    shown = [f"{result['best_val_score']:.4f} f1" for result in scores]
    assert table["best validation score"][:3] == [*shown, "–"] and table["best validation score"][3].endswith(" loss")
    assert table["  beyond chance"][:3] == ["–", "worse", "–"]
    assert table["epochs"] == ["2", "2", "0 of 2", "2"]
    back = compare_runs([made / "lame", made / "base"])
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(back)))["  beyond chance"] == ["–", "better"]


def test_less_loss_is_better(made: Path, copy: Make) -> None:
    poor = copy("lame", "poor")
    edit(poor / "config.json", lambda c: c["checkpoint"].update(best_by="loss"))
    found = compare_runs([poor, made / "base"])
    assert found.runs[1].difference and found.runs[1].difference.value < 0
    assert dict(comparison_page.in_terminal(comparison_page.result_rows(found)))["  beyond chance"] == ["–", "better"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (9.21, "9.2 s"), (200, "3 min 20 s"), (3599.7, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_times_are_readable(seconds: float | None, shown: str) -> None:
    assert str(comparison_page._time(seconds).text) == shown


@pytest.mark.parametrize("names", [["base", "lame", "diverged"], list(RUNS)])
def test_the_page_needs_no_other_file_and_escapes_names(
    made: Path, copy: Make, tmp_path: Path, names: list[str]
) -> None:
    hostile = copy("eager", HOSTILE)
    edit(hostile / "data_report.json", lambda data: data.update(file=HOSTILE))
    edit(hostile / "config.json", lambda config: config["model"].update(encoder=HOSTILE))
    compared = compare_runs([hostile, *(made / name for name in names)])
    page = written(compared, tmp_path)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    russian = Page(html, "ru")
    assert english_in(html) == [] and all(note.says.text("ru") != note.text for note in compared.notes)
    assert all(f"{', '.join(note.runs)}: {note.says.text('ru')}" in russian.text for note in compared.notes)
    assert f"beside {HOSTILE}, the baseline: {HOSTILE} on {HOSTILE}." in page.text and len(page.images) == 3
    for note in compared.notes:
        assert f"{', '.join(note.runs)}: {note.text}" in page.text
    results = page.rows if len(names) < 5 else zip(*page.rows[-len(names) - 2 :], strict=True)
    scores = [run.score("best_val_score") for run in compared.runs]
    shown = next(row for row in results if row[0].startswith("best validation"))
    assert [cell.split()[0] for cell in shown[1:]] == ["–" if score is None else f"{score:.4f}" for score in scores]
    assert page.titles == ["What differs", "What came out", "Learning", "How to read this"]


def written(comparison: Comparison, folder: Path) -> Page:
    comparison_page.write_page(comparison, folder / "page.html")
    return Page((folder / "page.html").read_text(encoding="utf-8"))


def test_programs_and_terminals_have_one_language(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of_it() -> list[str]:
        found = compare_runs([made / name for name in ("base", "eager", "frozen", "diverged")])
        spreadsheet.write_csv(found, tmp_path / "runs.csv")
        return [comparison_page.text(found), json.dumps(found.as_json()), (tmp_path / "runs.csv").read_text("utf-8")]

    before = all_of_it()
    monkeypatch.setenv("TITHE_LANG", "ru")
    assert all_of_it() == before and "took 120 optimizer steps, base 20" in before[0]


def test_a_comparison_with_nothing_to_heed_says_so(made: Path, tmp_path: Path) -> None:
    found = compare_runs([made / "base", made / "lame"])
    calm = Comparison(found.runs, found.factors, {}, ())
    assert "Nothing speaks against this comparison" in written(calm, tmp_path).text
    assert "! " not in comparison_page.text(calm)


@pytest.mark.parametrize("runs", [2, 7])
def test_a_comparison_of_equal_runs_says_that_no_setting_differs(
    made: Path, copy: Make, tmp_path: Path, runs: int
) -> None:
    page = written(compare_runs([copy("base", f"base_{number}") for number in range(runs)]), tmp_path)
    assert "No setting differs." in page.text
