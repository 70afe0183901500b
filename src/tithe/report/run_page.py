"""One self-contained HTML page for each run: what came out, on what data, how, and what proves it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.report import classification_figures
from tithe.report.html import STYLE, embed_image, format_number, render_table, section
from tithe.storage.run_files import HISTORY

_PARTS = {"train": "training", "val": "validation", "test": "test"}
_SCORES = {
    "accuracy": "accuracy",
    "f1": "F1, macro",
    "f1_weighted": "F1, weighted",
    "precision": "precision, macro",
    "recall": "recall, macro",
    "auc_roc": "AUC-ROC",
    "auc_pr": "AUC-PR",
    "loss": "loss",
    "calibration_error": "calibration error",
    "rows": "rows",
}


def write(home: Path) -> Path:
    """Write `report.html` from what the run directory holds; return its path."""
    classification_figures.learning_curves(home / "learning_curves.png", storage.read_lines(home / HISTORY))
    result = storage.read_json(home / "metrics.json")
    config = storage.read_json(home / "config.json")
    data = storage.read_json(home / "data_report.json")
    parts = [part for part in ("test", "validation") if part in result]
    body = [
        _head(config, data, result, parts[0]),
        section("Scores", _scores(result, parts)),
        section("Learning", embed_image(home / "learning_curves.png", "loss and validation scores by step")),
        section(f"Pictures, {parts[0]} rows", _pictures(home / parts[0])),
        section(f"Real or fake, {parts[0]} rows", _authenticity(home / parts[0], result[parts[0]]["authenticity"]))
        if "authenticity" in result[parts[0]]
        else "",
        section(f"Classes, {parts[0]} rows", _classes(result[parts[0]]["per_class"])),
        section("Data", _data(data)),
        section("Selection", _selection(home)) if (home / "selection.json").exists() else "",
        section("Search", _search(home)) if (home / "tuning.json").exists() else "",
        section("What was run", _run(home, config, result)),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(config['name'])} · tithe</title><style>{STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )
    storage.write_text(home / "report.html", page)
    return home / "report.html"


def _head(config: Mapping[str, Any], data: Mapping[str, Any], result: Mapping[str, Any], part: str) -> str:
    scores, training, best = result[part], result["training"], result["best"]
    low, high = scores["interval_95"]["accuracy"]
    cards = [
        (f"{scores['accuracy']:.3f}", f"{part} accuracy (95 %: {low:.3f} to {high:.3f})"),
        (f"{scores['f1']:.3f}", f"{part} F1, macro"),
        ("–" if scores["auc_roc"] is None else f"{scores['auc_roc']:.3f}", "AUC-ROC"),
        (f"{training['seconds']:.0f} s", f"training, {_epochs(training)} on {training['device']}"),
    ]
    shown = "".join(
        f'<div class="card"><b>{value}</b><span>{html.escape(label)}</span></div>' for value, label in cards
    )
    chosen = f"Best epoch {best['epoch']} by validation {best['by']}."
    caution = (
        " No rows were held out for a test: the validation rows chose the best epoch, so these numbers are a little "
        "too good."
        if part == "validation"
        else ""
    )
    detector = f"{config['images']['mode']} detector"
    network = Path(config["model"]["encoder"]).name if config["task"] == "text" else detector
    about = f"{network} on {data['file']}: {data['rows_kept']} rows, {len(data['classes'])} classes. {chosen}{caution}"
    title = f'<h1>{html.escape(config["name"])}</h1><p class="quiet">{html.escape(about)}</p>'
    return f'{title}<div class="cards">{shown}</div>'


def _epochs(training: Mapping[str, Any]) -> str:
    return "1 epoch" if training["epochs"] == 1 else f"{training['epochs']} epochs"


def _scores(result: Mapping[str, Any], parts: Sequence[str]) -> str:
    rows = [(label, *(format_number(result[part][key]) for part in parts)) for key, label in _SCORES.items()]
    return render_table(("", *parts), rows)


def _classes(table: Sequence[Mapping[str, Any]]) -> str:
    order = sorted(table, key=lambda row: row["f1"])
    rows = [(r["class"], *(format_number(r[k]) for k in ("precision", "recall", "f1", "rows"))) for r in order]
    return (
        f'<div class="scroll">{render_table(("class, worst first", "precision", "recall", "F1", "rows"), rows)}</div>'
    )


def _authenticity(folder: Path, found: Mapping[str, Any]) -> str:
    named = {
        "auc": "AUC",
        "ap_fake": "average precision, fake is positive",
        "ap_real": "average precision, real is positive",
        "eer": "equal error rate",
        "tpr_at_fpr_1": "fakes caught where 1 % of reals are called fake",
        "tpr_at_fpr_5": "fakes caught where 5 % of reals are called fake",
        "accuracy": "accuracy at a score of 0.5",
        "accuracy_best_threshold": "accuracy at the threshold that suits these rows best",
        "brier": "Brier score",
        "ece": "expected calibration error of the score",
    }
    numbers = render_table(("", ""), [(label, format_number(found[key])) for key, label in named.items()])
    keys = ("fakes", "auc", "ap_fake", "eer", "tpr_at_fpr_5")
    lines = [(r["generator"], *(format_number(r[k]) for k in keys)) for r in found["per_generator"]]
    lines = [(name, fakes if fakes.isdecimal() else "", *more) for name, fakes, *more in lines]  # of the mean, none
    by_generator = render_table(("generator", "fakes", "AUC", "AP", "EER", "caught at 5 % FPR"), lines)
    verdicts = [(name, *(str(count) for count in said.values())) for name, said in found.get("verdicts", {}).items()]
    judged = render_table(("truly", "called fake", "unsure", "called real"), verdicts) if verdicts else ""
    shown = [
        embed_image(folder / f"{n}.png", n) for n in ("scores", "roc_by_generator", "calibration") if _is(folder, n)
    ]
    return f'{numbers}<p></p>{judged}<p></p>{by_generator}<p></p><div class="pictures wide">{"".join(shown)}</div>'


def _is(folder: Path, name: str) -> bool:
    return (folder / f"{name}.png").exists()


def _data(data: Mapping[str, Any]) -> str:
    splits = data["splits"]
    rows = [("rows read", str(data["rows_read"])), ("rows kept", str(data["rows_kept"]))]
    rows += [(f"dropped: {reason}", str(count)) for reason, count in data["dropped"].items()]
    rows += [(f"{name} rows", str(splits[part])) for part, name in _PARTS.items()]
    if "train_selected" in splits:
        rows.append(("train rows chosen", str(splits["train_selected"])))
    if splits["train_after_balancing"] != splits.get("train_selected", splits["train"]):
        rows.append(("train rows after balancing", str(splits["train_after_balancing"])))
    if splits["too_small_to_split"]:
        rows.append(("classes too small to split, in train only", ", ".join(splits["too_small_to_split"])))
    if words := data.get("words"):
        rows.append(("words of a text", f"mean {words['mean']}, median {words['median']}, most {words['max']}"))
    if near := data.get("near_duplicates"):
        rows.append(("near copies", f"{near.get('rows', near.get('images'))} rows in {near['groups']} groups"))
    if seen := splits.get("near_copies_in_train"):
        told = ", ".join(f"{seen[part]} of {name}" for part, name in (("val", "validation"), ("test", "test")))
        rows.append(("near copies of training rows", told))
    if sizes := data.get("sizes"):
        shown = (f"{side} {found['min']} to {found['max']}" for side, found in sizes.items())
        rows.append(("pixels of an image", ", ".join(shown)))
    if leak := splits.get("format_leak"):
        told = f"AUC {leak['auc']:.3f}; up to {leak['chance']:.3f} may be chance"
        rows.append(("classes told apart by file format alone", told))
    sizes = sorted(data["classes"].items(), key=lambda item: -item[1])
    classes = render_table(("class", "rows"), [(name, str(count)) for name, count in sizes])
    return f"{render_table(('', ''), rows)}<details><summary>rows of every class</summary>{classes}</details>"


def _selection(home: Path) -> str:
    account = storage.read_json(home / "selection.json")
    picture = embed_image(home / "selection.png", "the chosen rows among all")
    seconds = sum(account["seconds"].values())
    said = f"{account['strategy']} chose {account['rows']} of {account['pool']} rows, which took {seconds:.1f} s."
    return f"<p>{html.escape(said)}</p>{picture}"


def _search(home: Path) -> str:
    told = storage.read_json(home / "tuning.json")
    best, tune, rows = told["best"], told["tune"], told["rows"]
    epochs = "1 epoch" if tune["epochs"] == 1 else f"{tune['epochs']} epochs"
    said = (
        f"{len(told['trials'])} trials of {epochs}, drawn by {tune['sampler']} search, took {told['seconds']:.1f} s. "
        f"They learnt from {rows['train']} training rows and were judged by {tune['metric']} on {rows['val']} others. "
        f"Number {best['number']} was best: its values stand in the resolved config."
    )
    names = list(dict.fromkeys(name for trial in told["trials"] for part in trial["values"].values() for name in part))
    lines = []
    for trial in sorted(told["trials"], key=lambda t: t.get("val_loss", float("inf"))):
        values = {name: value for part in trial["values"].values() for name, value in part.items()}
        shown = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in (values.get(name, "–") for name in names)]
        scores = [format_number(trial.get(name)) for name in ("val_loss", "val_accuracy")]
        lines.append((str(trial["number"]), *scores, *shown, trial["state"]))
    table = render_table(("trial", "loss", "accuracy", *names, "end"), lines)
    return f'<p>{html.escape(said)}</p><div class="scroll">{table}</div>'


def _run(home: Path, config: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    environment = storage.read_json(home / "environment.json")
    training = result["training"]
    rows = [
        ("final weights, SHA-256", training["final_weights_sha256"]),
        ("split, SHA-256", training["split_sha256"]),
        ("parameters", f"{training['parameters']:,}, of which {training['parameters_trained']:,} were trained"),
        *([("encoder", result["freeze"]["verdict"])] if "freeze" in result else []),
        ("precision", training["precision"]),
        ("rows per second", str(training["rows_per_second"])),
        ("waited for data", f"{training['waited_seconds']} s of {training['seconds']} s"),
        ("command", " ".join(environment["command"])),
        (
            "machine",
            f"{environment['platform']}, {environment['cpu_count']} cores, Python {environment['python']}",
        ),
        ("packages", ", ".join(f"{k} {v}" for k, v in environment["packages"].items())),
    ]
    shown = html.escape(json.dumps(config, indent=2, ensure_ascii=False))
    return f"{render_table(('', ''), rows)}<details><summary>resolved config</summary><pre>{shown}</pre></details>"


def _pictures(folder: Path) -> str:
    shown = "".join(
        embed_image(folder / f"{name}.png", name.replace("_", " ")) for name in classification_figures.PICTURES
    )
    return f'<div class="pictures">{shown}</div>'
