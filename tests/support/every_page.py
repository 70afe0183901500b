"""Every kind of page that tithe writes or serves, of tiny real runs on rows, labels and names that would do harm."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tithe
from support import encoders, photographs, suites
from support.boards import copied
from support.serving import listening
from support.texts import make_texts
from tithe import audit, config, pipeline
from tithe.board import app as board
from tithe.board.shelf import Shelf
from tithe.compare import compare_runs
from tithe.compare import page as comparison
from tithe.evaluate.picture_page import PicturePage
from tithe.predict import Answering, TrainedModel, explanation, load, score_stream
from tithe.select.suite import page as suite
from tithe.select.suite import standings
from tithe.serve import app as serve
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint
from tithe.web.address import Address

# What runs sets `ran`; what a template fills is FILLED; what ends or reorders a text is seen as an escape.
MARKUP = """<img src=x onerror=ran=1>"'`{{7776*7776}}${7776*7776}&lt;\u202e\x07"""
FILLED = str(7776 * 7776)  # so long that no path, count or time on a page has it by chance
HARM = f"</script><script>ran=1</script>{MARKUP}"
TOKEN = "s3cret"
LONG = "pneumono" * 40  # a word without a place to break
FILE = f"{MARKUP} {LONG[:100]}"  # names of files have no slash, and an end
_SEARCH = {"trials": 2, "sample": 0.5, "epochs": 1, "learning_rate": [1e-4, 1e-2]}
NAMES = {"sport": HARM, "space": LONG, "кухня": "__proto__"}


@contextmanager
def every_page(folder: Path, encoder: Path) -> Iterator[dict[str, str]]:
    """Yield the addresses of the pages by name, while what serves some of them is running."""
    own = encoders.copied(encoder, folder / FILE)
    rows, runs = _rows(folder / f"{FILE}.parquet"), folder / "runs"
    text = _text_run(runs / FILE, rows, own, select={"strategy": "k_center", "budget": 0.5})
    searched = _text_run(runs / "searched", rows, own, tune=_SEARCH)
    (copied(text, runs / "damaged") / "metrics.json").write_text("[")
    image = _image_run(folder / "images", runs / "image")
    _suite(runs / "suite")
    model = load(text)
    written = {
        "run on texts": text / "report.html",
        "run after a search": searched / "report.html",
        "run on images": image / "report.html",
        "suite": runs / "suite/suite.html",
        "comparison": _comparison(folder / "compare.html", text, searched, image),
        "audit": _audit(folder / "audit", rows, own),
        "labels": _labels(folder / "labels", rows, own),
        "explanations": _explanations(folder / "words.html", model),
        "scored pictures": _scored(folder / "scored.html", folder / "images", image),
    }
    pages = {
        name: shutil.copy(page, folder / f"{place}.html").as_uri() for place, (name, page) in enumerate(written.items())
    }
    shelf = Shelf(runs)
    with ExitStack() as served:
        at = served.enter_context(listening(board.create(shelf, Address()), shelf.stop))
        pages |= dict.fromkeys(("board", "students", "pictures"), at)
        pages["no comparison"] = f"{at}compare?run={_key(shelf, 'damaged')}&run={_key(shelf, 'searched')}"
        pages["refusal"] = f"{at}run/{_key(shelf, 'damaged')}x/report"
        made = serve.create(Checkpoint(model, HARM, 0), Address(token=TOKEN), Limits())
        pages["try it"] = served.enter_context(listening(made))
        yield pages


def _rows(file: Path) -> Path:
    """Write rows of three classes: harm in every third text, near copies across classes, a long text, a conflict."""
    texts, labels = make_texts(50, classes=3)
    texts = [f"{HARM}\0 {text} {LONG}" if row % 3 == 0 else text for row, text in enumerate(texts)]
    near = f"{' '.join(texts[1:9:3])} {HARM}"
    texts += [near, f"{near} new", "rocket " * 60, texts[0]]
    labels = [NAMES[label] for label in labels]
    labels += [HARM, LONG, LONG, LONG if labels[0] == HARM else HARM]
    pq.write_table(pa.table({f"text {HARM}": texts, f"label {HARM}": labels}), file)
    return file


def _data(rows: Path) -> dict[str, Any]:
    return {"path": str(rows), "text_column": f"text {HARM}", "label_column": f"label {HARM}"}


def _text_run(home: Path, rows: Path, encoder: Path, **before: dict[str, Any]) -> Path:
    """Train on texts, after a selection or a search."""
    raw = {
        "name": "name_" * 12,
        "out": str(home),
        "data": {**_data(rows), "val_ratio": 0.2, "test_ratio": 0.3},
        "model": {"encoder": str(encoder), "max_length": 32, "freeze": "all"},
        "train": {
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "precision": "no",
            "device": "cpu",
            "log_every_steps": 1,
        },
        "track": {"tensorboard": False},
        **before,
    }
    return pipeline.train(config.parse(raw)).home


def _image_run(root: Path, home: Path) -> Path:
    """Train on photographs whose files and generators have names that would do harm."""
    photographs.twins(root)
    listed = root / "labels.csv"
    with listed.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    for place, row in enumerate(rows):
        old = root / row["path"]
        row["path"] = f"{place} {FILE}{old.suffix}"
        row["generator"] = {"squares": HARM, "smooth": LONG}[row["generator"]]
        old.rename(root / row["path"])
    cv2.imwrite(str(root / "left out.png"), photographs.photograph(99, 50, 50))
    with listed.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        photographs.with_little_detector(patch)
        return photographs.train(root, home, epochs=1, test_ratio=0.25).home


def _suite(folder: Path) -> None:
    folder.mkdir()
    results = [suites.trial("all", seed, 0.9, budget=1.0) for seed in range(2)]
    for name, accuracy in (("random", 0.6), (HARM, 0.8), (LONG, 0.3)):
        results += [suites.trial(name, seed, accuracy + seed / 100, options={HARM: HARM}) for seed in range(2)]
    lines = standings.compute_standings(results)
    suite.write_page(folder, lines, HARM, HARM, f"tithe suite '{HARM}'")
    (folder / "suite.json").write_text(json.dumps({"standings": standings.as_json(lines)}))


def _comparison(page: Path, *runs: Path) -> Path:
    comparison.write_page(compare_runs(list(runs)), page)
    return page


def _audit(folder: Path, rows: Path, encoder: Path) -> Path:
    of_file = {"encoder": str(encoder), "max_length": 32}
    columns = [f"data.{key}={json.dumps(value)}" for key, value in _data(rows).items() if key != "path"]
    return audit.audit(rows, of_file, columns, None, folder).files["page"]


def _labels(folder: Path, rows: Path, encoder: Path) -> Path:
    how = {"rows": 12, "encoder": str(encoder), "max_length": 32, "text_column": f"text {HARM}"}
    tithe.label(rows, [], out=folder, classes=list(NAMES.values()), **how)
    return folder / "label.html"


def _explanations(page: Path, model: TrainedModel) -> Path:
    explained = model.explain([f"{HARM} rocket moon {LONG}", "the goal of the team"])
    explanation.write(page, [explanation.Explained(each, {}) for each in explained], HARM)
    return page


def _scored(page: Path, images: Path, home: Path) -> Path:
    (images / f"no image {FILE}.png").write_text(HARM)
    with pytest.MonkeyPatch.context() as patch:
        photographs.with_little_detector(patch)
        model = load(home)
        sheet = PicturePage(model, 2, None)
        assert list(sheet.watch(score_stream(model, [str(images)], None, Answering(), sheet.look)).rows)
        sheet.write(page, [HARM, LONG])
    return page


def _key(shelf: Shelf, folder: str) -> str:
    shelf.scan()
    return next(row["id"] for row in shelf.rows if row["folder"] == folder)
