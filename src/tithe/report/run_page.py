"""One self-contained HTML page for each run: what came out, on what data, how, and what proves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.data.text import truncation
from tithe.metrics.authenticity import MACRO
from tithe.report import classification_figures
from tithe.report.html import MISSING, Fact, Image, Table, read_image, render
from tithe.storage import run_files

Json = Mapping[str, Any]  # what a file of the run directory holds

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
    "calibration_error_calibrated": "calibration error, calibrated",
    "loss_calibrated": "loss, calibrated",
    "rows": "rows",
}
_AUTHENTICITY = {
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
_GENERATOR = {"auc": "AUC", "ap_fake": "AP", "eer": "EER", "tpr_at_fpr_5": "caught at 5 % FPR"}
_AUTHENTICITY_FIGURES = ("scores", "roc_by_generator", "calibration")
_CONFUSED_PAIRS = 10  # listed where the confusion matrix has no numbers
_UNTESTED = (
    "No rows were held out for a test: the validation rows chose the best epoch, so these scores are a little high."
)


def write(home: Path) -> Path:
    """Write `report.html` from what the run directory holds; return its path."""
    classification_figures.learning_curves(
        home / run_files.LEARNING_CURVES, storage.read_lines(home / run_files.HISTORY)
    )
    storage.write_text(home / run_files.REPORT, render("run.html", **_contents(home)))
    return home / run_files.REPORT


def _contents(home: Path) -> dict[str, object]:
    """Return what the template names."""
    result, config, data = (
        storage.read_json(home / name) for name in (run_files.METRICS, run_files.CONFIG, run_files.DATA_REPORT)
    )
    part = "test" if "test" in result else "validation"
    return {
        "title": config["name"],
        "about": _about(config, data, result["best"], part),
        "part": part,
        "headline": list(_headline(result, part)),
        "scores": _scores(result),
        "learning": read_image(home / run_files.LEARNING_CURVES, "loss and validation scores by step"),
        "figures": _images(home / part, classification_figures.PICTURES),
        "authenticity": _authenticity(home / part, result[part].get("authenticity")),
        "confused": _confused(result[part]),
        "classes": _classes(result[part]["per_class"]),
        "data": [*_row_counts(data), *_properties(data)],
        "class_sizes": _class_sizes(data["classes"]),
        "selection": _selection(home),
        "search": _search(home / run_files.TUNING),
        "run": list(_circumstances(result, storage.read_json(home / run_files.ENVIRONMENT))),
        "config": json.dumps(config, indent=2, ensure_ascii=False),
    }


def _about(config: Json, data: Json, best: Json, part: str) -> str:
    detector = f"{config['images']['mode']} detector"
    network = Path(config["model"]["encoder"]).name if config["task"] == "text" else detector
    rows = f"{network} on {data['file']}: {data['rows_kept']} rows, {len(data['classes'])} classes."
    epoch = f"Best epoch {best['epoch']} by validation {best['by']}."
    return " ".join([rows, epoch, *([_UNTESTED] if part == "validation" else [])])


def _headline(result: Json, part: str) -> Iterator[tuple[str, str]]:
    """Yield the numbers that head the page, each with what it is."""
    scores, training = result[part], result["training"]
    low, high = scores["interval_95"]["accuracy"]
    yield f"{scores['accuracy']:.3f}", f"{part} accuracy (95 %: {low:.3f} to {high:.3f})"
    yield f"{scores['f1']:.3f}", f"{part} F1, macro"
    yield MISSING if scores["auc_roc"] is None else f"{scores['auc_roc']:.3f}", "AUC-ROC"
    yield f"{training['seconds']:.0f} s", f"training, {_epochs(training['epochs'])} on {training['device']}"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _scores(result: Json) -> Table:
    parts = [part for part in ("test", "validation") if part in result]
    shown = {key: label for key, label in _SCORES.items() if key in result[parts[0]]}
    return Table(("", *parts), [(label, *(result[part][key] for part in parts)) for key, label in shown.items()])


def _classes(per_class: Sequence[Json]) -> Table:
    worst_first = sorted(per_class, key=lambda row: float(row["f1"]))
    rows = [[row[key] for key in ("class", "precision", "recall", "f1", "rows")] for row in worst_first]
    return Table(("class, worst first", "precision", "recall", "F1", "rows"), rows)


def _confused(scores: Json) -> Table | None:
    """Return the pairs of classes confused most often; None if there are none, or the matrix itself has numbers."""
    names = [row["class"] for row in scores["per_class"]]
    if len(names) <= classification_figures.NUMBERED_CLASSES:
        return None
    matrix_CC = np.array(scores["confusion_matrix"])
    wrong_CC = matrix_CC - np.diag(np.diag(matrix_CC))
    places = np.argsort(-wrong_CC, axis=None, kind="stable")[:_CONFUSED_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in places if wrong_CC.flat[place]]
    rows = [(names[t], names[p], int(wrong_CC[t, p]), float(wrong_CC[t, p] / matrix_CC[t].sum())) for t, p in pairs]
    return Table(("class", "predicted as", "rows", "share of the class"), rows) if rows else None


def _class_sizes(counts: Mapping[str, int]) -> Table:
    largest_first = sorted(counts, key=lambda name: counts[name], reverse=True)
    return Table(("class", "rows"), [(name, counts[name]) for name in largest_first])


def _images(folder: Path, names: Sequence[str]) -> list[Image]:
    """Return the figures of a part of the rows that were drawn."""
    files = [folder / f"{name}.png" for name in names]
    return [read_image(file, file.stem.replace("_", " ")) for file in files if file.exists()]


def _authenticity(folder: Path, result: Json | None) -> dict[str, object] | None:
    if result is None:
        return None
    verdicts = [(name, *counts.values()) for name, counts in result.get("verdicts", {}).items()]
    return {
        "scores": Table(("", folder.name), [(label, result[key]) for key, label in _AUTHENTICITY.items()]),
        "verdicts": Table(("truly", "called fake", "unsure", "called real"), verdicts) if verdicts else None,
        "generators": _generators(result["per_generator"]),
        "figures": _images(folder, _AUTHENTICITY_FIGURES),
    }


def _generators(lines: Sequence[Json]) -> Table:
    rows = [
        (line["generator"], "" if line["generator"] == MACRO else line["fakes"], *(line[key] for key in _GENERATOR))
        for line in lines
    ]
    return Table(("generator", "fakes", *_GENERATOR.values()), rows)


def _row_counts(data: Json) -> Iterator[Fact]:
    """Yield how many rows there were after each step from the file to the training rows."""
    splits = data["splits"]
    yield "rows read", data["rows_read"]
    yield "rows kept", data["rows_kept"]
    for reason, count in data["dropped"].items():
        yield f"dropped: {reason}", count
    for part, name in _PARTS.items():
        yield f"{name} rows", splits[part]
    for part, counts in splits.get("given", {}).items():
        yield f"{part} rows of the data's own split", counts["rows"]
        if counts["repeated"]:
            yield f"{part} rows that repeat a text of that split", counts["repeated"]
    if untrained := splits.get("not_in_training"):
        yield "classes without training rows", ", ".join(untrained)
    if "train_selected" in splits:
        yield "training rows selected", splits["train_selected"]
    if splits["train_after_balancing"] != splits.get("train_selected", splits["train"]):
        yield "training rows after balancing", splits["train_after_balancing"]
    if splits["too_small_to_split"]:
        yield "classes too small to split, in training only", ", ".join(splits["too_small_to_split"])


def _properties(data: Json) -> Iterator[Fact]:
    """Yield what is known of the rows beyond their number; texts and images have different properties."""
    splits = data["splits"]
    for classes in data.get("alike_classes", ()):
        yield "classes that look alike", ", ".join(f"{name} ({rows} rows)" for name, rows in classes.items())
    if words := data.get("words"):
        yield "words of a text", f"mean {words['mean']}, median {words['median']}, most {words['max']}"
    if tokens := data.get("tokens"):
        parts = (f"{name}: {truncation.phrase(tokens[part])}" for part, name in _PARTS.items() if tokens[part]["texts"])
        yield f"cut at {tokens['max_length']} tokens", "; ".join(parts)
    if near := data.get("near_duplicates"):
        yield "near copies", f"{near.get('rows', near.get('images'))} rows in {near['groups']} groups"
    if near := splits.get("near_copies_in_train"):
        yield "near copies of training rows", f"{near['val']} of validation, {near['test']} of test"
    if sizes := data.get("sizes"):
        spans = (f"{side} {span['min']} to {span['max']}" for side, span in sizes.items())
        yield "pixels of an image", ", ".join(spans)
    if leak := splits.get("format_leak"):
        auc = f"AUC {leak['auc']:.3f}; up to {leak['chance']:.3f} may be chance"
        yield "classes predicted from the file format alone", auc


def _selection(home: Path) -> dict[str, object] | None:
    if not (home / run_files.SELECTION_SUMMARY).exists():
        return None
    summary = storage.read_json(home / run_files.SELECTION_SUMMARY)
    return {
        **{key: summary[key] for key in ("strategy", "rows", "pool")},
        "seconds": sum(summary["seconds"].values()),
        "map": read_image(home / run_files.SELECTION_MAP, "the selected rows among all"),
    }


def _search(file: Path) -> dict[str, object] | None:
    if not file.exists():
        return None
    summary = storage.read_json(file)
    tune, rows = summary["tune"], summary["rows"]
    about = (
        f"{len(summary['trials'])} trials of {_epochs(tune['epochs'])}, drawn by {tune['sampler']} search, took "
        f"{summary['seconds']:.1f} s. They were trained on {rows['train']} training rows and judged by "
        f"{tune['metric']} on {rows['val']} others. Number {summary['best']['number']} was best: the resolved config "
        "has its values."
    )
    return {"about": about, "trials": _trials(summary["trials"])}


def _trials(trials: Sequence[Json]) -> Table:
    """Return the trials of a search with the values each one tried, the lowest loss first."""
    ordered = sorted(trials, key=lambda trial: float(trial.get("val_loss", "inf")))
    tried = [{name: value for part in trial["values"].values() for name, value in part.items()} for trial in ordered]
    names = list(dict.fromkeys(name for values in tried for name in values))
    rows = []
    for trial, values in zip(ordered, tried, strict=True):
        settings = [_setting(values.get(name)) for name in names]
        rows.append([trial["number"], trial.get("val_loss"), trial.get("val_accuracy"), *settings, trial["state"]])
    return Table(("trial", "loss", "accuracy", *names, "end"), rows)


def _setting(value: object) -> str | None:
    if value is None:
        return None
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _circumstances(result: Json, environment: Json) -> Iterator[Fact]:
    """Yield what was run, on what machine, and the hashes that prove it."""
    training = result["training"]
    yield "final weights, SHA-256", training["final_weights_sha256"]
    yield "split, SHA-256", training["split_sha256"]
    yield "parameters", f"{training['parameters']:,}, of which {training['parameters_trained']:,} were trained"
    part = next(result[part] for part in run_files.PARTS if part in result)
    if "authenticity" not in part:
        yield "temperature of the probabilities", part.get("temperature", "none: no validation rows")
    if "freeze" in result:
        yield "encoder", result["freeze"]["verdict"]
    yield "precision", training["precision"]
    yield "rows per second", str(training["rows_per_second"] or MISSING)
    yield "waited for data", f"{training['waited_seconds']} s of {training['seconds']} s"
    yield "command", " ".join(environment["command"])
    machine = f"{environment['platform']}, {environment['cpu_count']} cores, Python {environment['python']}"
    yield "machine", machine
    yield "packages", ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
