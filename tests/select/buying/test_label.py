"""Rounds of labelling: rows that are a function of texts, labels and settings, and files that lose no label."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tithe
from support.texts import make_texts
from tithe import storage
from tithe.errors import InputError
from tithe.select.buying.label import LabelRound

TEXTS, LABELS = make_texts(40, classes=3)
TRUTH = dict(zip(TEXTS, LABELS, strict=True))
Label = Callable[..., LabelRound]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """120 texts of three classes, without labels."""
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "pool.parquet")
    return tmp_path / "pool.parquet"


@pytest.fixture
def label(pool: Path, tiny_bert: Path) -> Label:
    """Choose rows of the pool, with the smallest encoder."""

    def call(out: str, *labelled: Path, **more: Any) -> LabelRound:
        how = {"rows": 10, "encoder": str(tiny_bert), "max_length": 32, **more}
        return tithe.label(more.pop("pool", pool), labelled, out=pool.parent / out, **how)

    return call


def bought(found: LabelRound) -> Path:
    """What a person gives back: the rows with their labels."""
    with found.file.open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "label": TRUTH[row["text"]]} for row in csv.DictReader(file)]
    path = found.file.with_name("labelled.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("rows.csv", "label.html", "label.json")}


def test_rounds_go_on_and_never_ask_twice(label: Label, pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[Path] = []
    asked: list[int] = []
    for number in range(3):
        found = label(f"round{number}", *files)
        files.append(bought(found))
        asked += found.rows.ids.tolist()
        assert [TEXTS[row] for row in found.rows.ids] == found.rows.texts
    assert len(set(asked)) == 30
    account = storage.read_json(pool.parent / "round2/label.json")
    assert account["evidence"]["bought"] == 20 and 0 <= account["evidence"]["agreement"] <= 1
    assert account["classes"] == {name: sum(TRUTH[TEXTS[row]] == name for row in asked[:20]) for name in set(LABELS)}
    assert account["expected"]["rows"] == 10 and account["strategy"] in ("typiclust", "mix") and account["reason"]
    # From nothing but the files, in another place and with an empty cache: the same to the byte.
    monkeypatch.setenv("TITHE_CACHE", str(pool.parent / "empty"))
    label("again", *files[:2])
    assert written(pool.parent / "again") == written(pool.parent / "round2")


@pytest.mark.parametrize("lost", [("label.json",), ("label.json", "label.html"), ("label.html",)])
def test_what_a_killed_process_left_is_made_whole(lost: tuple[str, ...], label: Label, pool: Path) -> None:
    label("first")
    whole = written(pool.parent / "first")
    for name in lost:
        (pool.parent / "first" / name).unlink()
    label("first")
    assert written(pool.parent / "first") == whole


def test_no_label_is_lost(label: Label, pool: Path) -> None:
    first = label("first")
    first.file.write_text("what somebody has written into it")
    label("first")
    assert first.file.read_text() == "what somebody has written into it", "the same round is left as it is"
    with pytest.raises(InputError, match=r"label\.json is of another round: choose another --out, or pass --overwrite"):
        label("first", rows=11)
    (pool.parent / "first/label.json").unlink()
    with pytest.raises(InputError, match=r"rows\.csv is of another round"):
        label("first")
    assert sorted(path.name for path in (pool.parent / "first").iterdir()) == ["label.html", "rows.csv"]
    assert label("first", overwrite=True, format="jsonl").account["rows"] == 10
    assert sorted(path.name for path in (pool.parent / "first").iterdir()) == ["label.html", "label.json", "rows.jsonl"]


def test_prices_change_the_advice_of_a_round_and_none_of_its_rows(label: Label, pool: Path) -> None:
    first = bought(label("first", rows=24))
    label("second", first)
    rows = pool.parent / "second/rows.csv"
    rows.write_bytes(rows.read_bytes() + b"by hand")
    before, by_hand = written(pool.parent / "second"), rows.read_bytes()
    priced = label("second", first, cost=1.0, worth=5.0)
    after = written(pool.parent / "second")
    assert after["rows.csv"] == by_hand and after["label.json"] != before["label.json"]
    assert json.loads(after["label.json"])["says"] == priced.account["says"] and priced.account["verdict"]
    assert priced.account["inputs"]["cost"] == 1.0 and ": 10 labels cost 10 and bring" in priced.advice.sentence
    assert priced.advice.sentence[1:] in after["label.html"].decode()
    label("second", first)
    assert written(pool.parent / "second") == before
    with pytest.raises(InputError, match="is of another round"):
        label("second", first, rows=11)


def test_a_round_does_not_write_over_what_it_is_made_from(label: Label, pool: Path) -> None:
    first = label("first")
    own, folder = bought(first).rename(first.file), first.file.parent
    for source, says in (
        (own, f"would overwrite {own}"),
        (folder, f"would make label.html a part of the data {folder}"),
    ):
        with pytest.raises(InputError, match=f"--out {folder} {says}"):
            label("first", source, overwrite=True)


def test_labels_in_the_pool_change_nothing(label: Label, pool: Path) -> None:
    rows = label("blind").rows
    for name, labels in (("true", LABELS), ("wrong", LABELS[::-1])):
        pq.write_table(pa.table({"text": TEXTS, "label": labels}), pool)
        again = label(name).rows
        assert again.ids.tolist() == rows.ids.tolist() and again.why == rows.why


def test_labels_of_other_texts_count_too(label: Label, pool: Path) -> None:
    more, names = make_texts(8, classes=3, seed=1)
    others = pool.parent / "others.jsonl"
    lines = [{"text": text, "label": name} for text, name in zip(more, names, strict=True) if text not in TRUTH]
    others.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = label("first", others, strategy="margin")
    assert found.account["evidence"]["bought"] == len(lines) and min(found.rows.ids) >= 0
    assert all(why.startswith("margin: hesitates between ") for why in found.rows.why)
    first, second = ([float(why.split("(")[part][:4]) for why in found.rows.why] for part in (1, 2))
    margins = [round(one - two, 2) for one, two in zip(first, second, strict=True)]
    assert margins == sorted(margins), "the most undecided comes first"


def test_a_skipped_text_is_not_asked_again_and_the_end_is_said(
    label: Label, pool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skipped = pool.parent / "skipped.csv"
    skipped.write_text("text,label\n" + "".join(f"{text},\n" for text in TEXTS[:115]), encoding="utf-8")
    found = label("last", skipped)
    assert sorted(found.rows.ids.tolist()) == [115, 116, 117, 118, 119]
    assert "5 texts are left, fewer than the 10 to choose" in caplog.text
    with pytest.raises(InputError, match="all 120 texts are labelled or passed over: add texts to it"):
        label("end", skipped, bought(found))


def test_one_class_is_no_class_to_tell_apart(label: Label, pool: Path) -> None:
    one = pool.parent / "one.csv"
    one.write_text("text,label\n" + "".join(f"{text},sport\n" for text in TEXTS if TRUTH[text] == "sport"), "utf-8")
    found = label("first", one)
    assert found.rows.decision.strategy == "typiclust" and "all 40 labels are 'sport'" in found.rows.decision.reason


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_rows_in_other_formats_and_columns(form: str, label: Label, pool: Path) -> None:
    pq.write_table(pa.table({"id": TEXTS}), pool)
    found = label("first", text_column="id", label_column="class", format=form, classes=["new <class>"])
    assert found.file.name == f"rows.{form}"
    rows = (
        pq.read_table(found.file).to_pylist()
        if form == "parquet"
        else [json.loads(line) for line in found.file.read_text(encoding="utf-8").splitlines()]
    )
    assert [row["id"] for row in rows] == found.rows.texts and [row["rank"] for row in rows] == list(range(10))
    assert {row["class"] for row in rows} == {None} and list(rows[0]) == ["rank", "why", "id", "class"]
    assert "new \\u003cclass\\u003e" in (pool.parent / "first/label.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "more, error, says",
    [
        ({"strategy": "margn"}, InputError, "did you mean 'margin'"),
        ({"strategy": "what"}, InputError, "'what': choose one of aflite_readability, auto, badge, edfs_lite"),
        ({"strategy": "el2n"}, InputError, "el2n reads proxy_probs, which needs all labels: choose for example"),
        ({"strategy": "all"}, InputError, "all does not choose the rows to label next"),
        ({"strategy": "mix", "options": {"radom": 0.1}}, InputError, "unknown key 'radom'"),
        ({"format": "xlsx"}, InputError, "--format xlsx is not a format of rows: choose one of csv, jsonl, parquet"),
        ({"rows": 0}, InputError, "--rows 0: choose at least 1 row"),
        ({"cost": 1.0}, InputError, "--cost needs --worth"),
        ({"row": 1}, TypeError, "unexpected keyword argument 'row'"),
    ],
)
def test_a_wrong_question_is_one_line(
    more: dict[str, Any], error: type[Exception], says: str, label: Label, pool: Path
) -> None:
    with pytest.raises(error, match=says) as caught:
        label("first", **more)
    assert "\n" not in str(caught.value) and not (pool.parent / "first").exists()
