"""An audit from file to files: what it finds in rows whose faults are known, corrections applied, wrong use refused."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.browser import CHROMIUM, browser
from support.pages import HOSTILE, Page, english_in
from support.signals import asked_after
from support.texts import make_texts, write_rows
from tithe import audit, data, interrupts, storage
from tithe.config import Data
from tithe.errors import Interrupted
from tithe.models import features

TEXTS, LABELS = make_texts(60, classes=2)
WRONG = 3, 50, 77  # rows with the other label
OTHER = {"sport": "space", "space": "sport"}
LONG = " ".join(["rocket"] * 60)
NEAR = "the coach of the new team was very old and the season is for the league and the cup with the player it was"
MARKUP = """</script><b>alert("1")</b> \u202e & 'two' rocket moon"""


@dataclass(frozen=True)
class Case:
    """Rows with known faults, their first audit, and how a further one is made."""

    rows: Path
    first: audit.Audit
    again: Callable[[Path | None, Path], audit.Audit]


@pytest.fixture(scope="module")
def case(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """120 rows, three labels of them wrong; then a conflict, a near copy of another class, a long text, and markup."""
    folder = tmp_path_factory.mktemp("audit")
    labels = [OTHER[label] if row in WRONG else label for row, label in enumerate(LABELS)]
    more = [(TEXTS[0], OTHER[LABELS[0]]), (NEAR, "sport"), (f"{NEAR} new", "space"), (LONG, "space"), (MARKUP, "space")]
    more += [(f"{MARKUP} {n}{n}{n}", HOSTILE) for n in range(4)]
    texts = [*TEXTS, *(text for text, _ in more)]
    rows = write_rows(folder / "rows.parquet", texts, [*labels, *(label for _, label in more)])
    of_file = {"encoder": str(tiny_bert), "max_length": 32}
    return Case(
        rows,
        audit.audit(rows, of_file, ["seed=1"], None, folder / "first"),
        lambda corrections, out: audit.audit(rows, of_file, ["seed=1"], corrections, out),
    )


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_known_faults_are_found(case: Case) -> None:
    found, files = case.first.facts, case.first.files
    assert found == storage.read_json(files["facts"]) and "corrected" not in files
    assert found["data"]["rows_kept"] == 127 and found["data"]["dropped"] == {"conflict": 2}
    hinted = {suspect["row"]: suspect for suspect in found["labels"]["suspects"]}
    assert {*WRONG} <= hinted.keys() and all(hinted[row]["suggested"] == LABELS[row] for row in WRONG)
    assert found["labels"]["trial"]["flipped"] == 6 and found["labels"]["reliability"] in ("good", "fair")
    suspects = pq.read_table(files["suspects"]).to_pylist()
    assert [row["id"] for row in suspects] == [*hinted] and len(suspects) == found["labels"]["hints"]
    assert [row["text"] for row in suspects if row["id"] in WRONG] == [TEXTS[row] for row in hinted if row in WRONG]
    assert found["copies"]["conflicts"] == [[{"row": 0, "label": LABELS[0]}, {"row": 120, "label": OTHER[LABELS[0]]}]]
    assert [{"row": 121, "label": "sport"}, {"row": 122, "label": "space"}] in found["copies"]["near_conflicts"]
    assert found["lengths"]["texts_cut"] == 1 and found["languages"]["kinds"] == {"Latin": 127}
    assert {"sport", "space"} <= {word["label"] for word in found["words"]["words"]}
    readers, points = found["baseline"]["readers"], found["learning_curve"]["points"]
    assert readers["tfidf"]["accuracy"] > 0.8 > 0.6 > readers["majority"]["accuracy"]
    assert (points[-1]["rows"], points[-1]["accuracy"]) == (
        *(found["baseline"]["trained_on"], readers["encoder"]["accuracy"]),
    )
    html = files["page"].read_text(encoding="utf-8")
    page = Page(html)
    assert english_in(html) == []
    assert "2 rows have a text that another row labels differently" in page.text


def test_corrections_close_the_loop(case: Case, tmp_path: Path) -> None:
    decided = [{"row": row, "text_sha256": sha256(TEXTS[row]), "label": LABELS[row]} for row in WRONG]
    decided += [{"row": row, "text_sha256": sha256(TEXTS[0]), "label": LABELS[0]} for row in (0, 120)]
    decided += [{"row": 123, "text_sha256": sha256(LONG), "drop": True}]
    file = tmp_path / "corrections.json"
    file.write_text(json.dumps({"corrections": decided}))
    result = case.again(file, tmp_path / "second")
    counts = {"relabelled": 4, "dropped": 1, "confirmed": 1}
    assert result.facts["data"]["corrections"] == {"file": "corrections.json", **counts}
    assert not {*WRONG} & {suspect["row"] for suspect in result.facts["labels"]["suspects"]}
    corrected = pq.read_table(result.files["corrected"]).to_pylist()
    labels = {row["id"]: row["label"] for row in corrected}
    assert [labels[row] for row in range(120)] == LABELS and not {120, 123} & labels.keys()
    # The corrected rows train as the corrections do: the same texts with the same labels, in the same order.
    ways = {"path": str(case.rows), "corrections": str(file)}, {"path": str(result.files["corrected"])}
    reports = [storage.read_json(data.ingest(Data(**way))[2] / "report.json") for way in ways]
    assert reports[0]["rows_sha256"] == reports[1]["rows_sha256"]


def test_an_audit_that_was_stopped_goes_on_with_other_corrections(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tithe")
    monkeypatch.setattr(features, "_ROWS", 8)  # of a batch, so that there are several

    def facts(corrections: Path, name: str) -> dict[str, Any]:
        caplog.clear()
        return case.again(corrections, tmp_path / name).facts

    relabelled = {"row": WRONG[0], "text_sha256": sha256(TEXTS[WRONG[0]]), "label": LABELS[WRONG[0]]}
    dropped = {"row": 5, "text_sha256": sha256(TEXTS[5]), "drop": True}
    other_labels, other_rows = tmp_path / "labels.json", tmp_path / "rows.json"
    other_labels.write_text(json.dumps({"corrections": [relabelled]}))
    other_rows.write_text(json.dumps({"corrections": [relabelled, dropped]}))
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "StopRequest", asked_after(7))
        with pytest.raises(Interrupted, match="run again to continue"):
            case.again(None, tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    found_of_rows = facts(other_rows, "rows")
    assert "resuming" not in caplog.text, "nothing of the rows that were stopped is taken for others"
    found_of_labels = facts(other_labels, "labels")
    assert "resuming the features after batch 4 of" in caplog.text, "the texts are the same"
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "fresh"))
    assert found_of_rows == facts(other_rows, "rows") and found_of_labels == facts(other_labels, "labels")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_person_decides_on_the_page(case: Case, tmp_path: Path) -> None:
    decisions = {TEXTS[row]: "1" for row in WRONG} | {TEXTS[0]: "2", NEAR: "d"}
    with browser(tmp_path) as tab:
        tab.open(case.first.files["page"])
        assert tab.js("document.querySelectorAll('article b, #list b, main script:not([type])').length") == 1
        total, rows = tab.js("page.items.length"), tab.js("page.items.map(each => each.rows)")
        for place in range(total):
            assert tab.js("state.at") == place
            tab.press(decisions.get(tab.js("document.querySelector('#text p').textContent"), "k"))
        suspect = tab.js(f"page.items.findIndex(each => each.rows[0].row === {WRONG[0]})")
        tab.js(f"document.querySelectorAll('#list button')[{suspect}].click()")
        tab.press("Backspace", "/")  # another class, by the list of all
        tab.js("$('other').selectedIndex = 1 + page.classes.findIndex(name => name.startsWith('<script'))")
        tab.js("$('other').dispatchEvent(new Event('change'))")
        assert tab.js("$('done').textContent") == f"{total} of {total} decided."
        for width in (1280, 390):
            tab.look(width, dark=True)
            assert tab.js("document.documentElement.scrollWidth") <= width
        tab.open(case.first.files["page"])  # as after the browser was closed
        tab.js("document.getElementById('language').click()")
        assert tab.js("$('done').textContent") == f"Решено: {total} из {total}."
        tab.js("$('download').click()")
        file, deadline = tmp_path / "corrections.json", time.monotonic() + 30
        while not file.exists():
            assert time.monotonic() < deadline, "no download within 30 s"
            time.sleep(0.02)
    dataset, labels, folder = data.ingest(Data(path=str(case.rows), corrections=str(file)))
    names = dict(zip(dataset.ids.tolist(), (labels.names[label] for label in dataset.labels), strict=True))
    assert [names[row] for row in WRONG] == [HOSTILE, LABELS[50], LABELS[77]]
    assert names[0] == case.first.facts["copies"]["conflicts"][0][1]["label"]
    assert not {120, 121, 122} & names.keys()
    report = storage.read_json(folder / "report.json")
    assert sum(report["corrections"][kind] for kind in ("relabelled", "dropped", "confirmed")) == sum(
        map(len, rows)
    )  # each row once


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_text_with_more_labels_than_keys_is_left_out_by_its_key(tiny_bert: Path, tmp_path: Path) -> None:
    many = [f"class {n:02}" for n in range(40)]
    rows = write_rows(tmp_path / "rows.parquet", [*TEXTS, *[NEAR] * len(many)], [*LABELS, *many])
    made = audit.audit(rows, {"encoder": str(tiny_bert), "max_length": 32}, ["seed=1"], None, tmp_path / "out")
    with browser(tmp_path) as tab:
        tab.open(made.files["page"])
        assert tab.js("item().kind") == "conflict" and tab.js("item().suggested.length") == len(many)
        keys = [key for key in tab.js("choices().map(({ key }) => key)") if key]
        assert len(keys) == len({*keys}) == 35, "all keys but the one that says that a label is right"
        tab.press("Escape")
        assert tab.js("Object.keys(state.decisions).length") == 0
        tab.press("d")
        assert tab.js("state.decisions[0]") == {"drop": True}


REFUSED: list[tuple[str, list[str], dict[str, Any], str]] = [
    ("one class", [], {"label": ["a", "a"]}, "one class only ('a'): an audit needs at least two"),
    ("images", ["--set", "task=image"], {}, "tithe audit is for texts, and task is image"),
    ("its own output", [], {}, "--out . would overwrite suspects.parquet: choose another name"),
    ("its data", ["--set", "data.validation=corrected.parquet"], {}, "--out . would overwrite corrected.parquet"),
    ("the folder of its data", [], {}, "--out . would make audit.html a part of the data .: choose another folder"),
    ("no such file", ["--corrections", "nowhere.json"], {}, "no file nowhere.json"),
]


@pytest.mark.parametrize(("what", "options", "columns", "says"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_wrong_use_is_one_line(
    what: str,
    options: list[str],
    columns: dict[str, Any],
    says: str,
    tithe: Callable[..., Any],
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "suspects.parquet" if what == "its own output" else "rows.parquet"
    write_rows(tmp_path / name, ["one text", "another"], columns.get("label", ["a", "b"]))
    source = "." if what == "the folder of its data" else name
    code, _, err = tithe("audit", source, "--encoder", tiny_bert, "--max-length", 32, "--out", ".", *options)
    assert code == 2 and says in err[-1] and err[-1].startswith("error: ")
