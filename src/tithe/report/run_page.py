"""One self-contained HTML page for each run: what came out, on what data, how, and what proves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.data.images import format_leak
from tithe.metrics import authenticity
from tithe.metrics.authenticity import MACRO
from tithe.report import classification_figures, learning, mistakes, run_facts, selection
from tithe.report.html import MISSING, Image, Table, read_image, render
from tithe.report.words import Phrase, joined, say
from tithe.storage import run_files

Json = Mapping[str, Any]  # what a file of the run directory holds

_SCORES = {
    "accuracy": say("accuracy"),
    "f1": say("F1, macro"),
    "f1_weighted": say("F1, weighted"),
    "precision": say("precision, macro"),
    "recall": say("recall, macro"),
    "auc_roc": say("AUC-ROC"),
    "auc_pr": say("AUC-PR"),
    "loss": say("loss"),
    "log_loss": say("log loss"),
    "calibration_error": say("calibration error"),
    "calibration_error_calibrated": say("calibration error, calibrated"),
    "loss_calibrated": say("loss, calibrated"),
    "rows": say("rows"),
}
_AUTHENTICITY = {
    "auc": say("AUC"),
    "ap_fake": say("average precision, fake is positive"),
    "ap_real": say("average precision, real is positive"),
    "eer": say("equal error rate"),
    "tpr_at_fpr_1": say("fakes caught where 1 % of reals are called fake"),
    "tpr_at_fpr_5": say("fakes caught where 5 % of reals are called fake"),
    "accuracy": say("accuracy at a score of 0.5"),
    "accuracy_best_threshold": say("accuracy at the threshold that suits these rows best"),
    "brier": say("Brier score"),
    "ece": say("expected calibration error of the score"),
}
_GENERATOR: dict[str, str | Phrase] = {
    "auc": say("AUC"),
    "ap_fake": "AP",
    "eer": "EER",
    "tpr_at_fpr_5": say("caught at 5 % FPR"),
}
_AUTHENTICITY_FIGURES = {
    "scores": say("scores of real and fake images"),
    "roc_by_generator": say("ROC of each generator"),
    "calibration": say("calibration of the score"),
}
_FIGURES = {
    "confusion_matrix": say("confusion matrix, rows"),
    "confusion_matrix_normalized": say("confusion matrix, shares of each class"),
    "roc_curve": say("ROC curve"),
    "pr_curve": say("precision and recall"),
    "reliability": say("accuracy by confidence"),
}
_MATRICES = ("confusion_matrix", "confusion_matrix_normalized")
_OFTEN = 0.05  # share of rows beyond which a caution is at the top of the page


def write(home: Path) -> Path:
    """Write `report.html` from what the run directory holds; return its path."""
    history = storage.read_lines(home / run_files.HISTORY)
    classification_figures.learning_curves(home / run_files.LEARNING_CURVES, history)
    storage.write_text(home / run_files.REPORT, render("run.html", **_contents(home, history)))
    return home / run_files.REPORT


def _contents(home: Path, history: Sequence[Json]) -> dict[str, object]:
    """Return what the template names."""
    result, config, data, details = (
        storage.read_json(home / name)
        for name in (run_files.METRICS, run_files.CONFIG, run_files.DATA_REPORT, run_files.DETAILS)
    )
    part, tuning = details["part"], home / run_files.TUNING
    scores, names = result[part], mistakes.names_of(result[part])
    return {
        "title": config["name"],
        "about": _about(config, data, result["best"]),
        "of_part": run_facts.OF_PART[part],
        "headline": list(_headline(result, part, details)),
        "notes": list(_notes(result, data, details)),
        "scores": _scores(result),
        "learning": read_image(home / run_files.LEARNING_CURVES, say("loss and validation scores by step")),
        "curves": learning.chart(history, result["training"]["seconds"]),
        "names": names,
        "squares": mistakes.squares(scores, details["examples"]),
        "pairs": mistakes.pairs(scores, details["examples"]),
        "rows": mistakes.for_script(details["examples"], names),
        "are_images": config["task"] == "image",
        "worst": mistakes.worst(details, names),
        "classes": mistakes.classes(scores),
        "slices": mistakes.slices(details),
        "matrices": _images(home / part, {name: _FIGURES[name] for name in _MATRICES}),
        "figures": _images(home / part, {name: text for name, text in _FIGURES.items() if name not in _MATRICES}),
        "authenticity": _authenticity(home / part, scores.get("authenticity")),
        "says_what_it_does_not_know": config["task"] == "image" and config["images"]["mode"] == "foundation",
        "data": [*run_facts.row_counts(data), *run_facts.properties(data)],
        "class_sizes": run_facts.class_sizes(data["classes"]),
        "selection": selection.shown(home),
        "search": run_facts.search(storage.read_json(tuning)) if tuning.exists() else None,
        "cost": list(run_facts.cost(result, details["memory"])),
        "run": list(run_facts.proof(result, storage.read_json(home / run_files.ENVIRONMENT))),
        "commands": run_facts.commands(home, config),
        "config": json.dumps(config, indent=2, ensure_ascii=False),
    }


def _about(config: Json, data: Json, best: Json) -> Phrase:
    detector = say("{mode} detector", mode=config["images"]["mode"])
    rows = say(
        "{network} on {file}: {rows} rows, {classes} classes.",
        network=Path(config["model"]["encoder"]).name if config["task"] == "text" else detector,
        file=data["file"],
        rows=data["rows_kept"],
        classes=len(data["classes"]),
    )
    return joined([rows, say("Best epoch {epoch} by validation {by}.", epoch=best["epoch"], by=best["by"])], " ")


def _headline(result: Json, part: str, details: Json) -> Iterator[tuple[Phrase | str, Phrase | str]]:
    """Yield the numbers that head the page, each with what it is."""
    scores, training = result[part], result["training"]
    low, high = scores["interval_95"]["accuracy"]
    of_part = {"test": say("test accuracy"), "validation": say("validation accuracy")}[part]
    yield (
        f"{scores['accuracy']:.3f}",
        say("{accuracy} (95 %: {low:.3f} to {high:.3f})", accuracy=of_part, low=low, high=high),
    )
    if (baseline := details.get("baseline")) and "authenticity" not in scores:
        yield (
            f"{baseline['accuracy']:.3f}",
            say("accuracy of TF-IDF and a linear head, trained in {seconds:.1f} s", seconds=baseline["seconds"]),
        )
    yield f"{scores['f1']:.3f}", {"test": say("test F1, macro"), "validation": say("validation F1, macro")}[part]
    yield MISSING if scores["auc_roc"] is None else f"{scores['auc_roc']:.3f}", "AUC-ROC"
    if baseline and "authenticity" in scores:
        said = say("AUC of a regression on plain statistics, in {seconds:.1f} s", seconds=baseline["seconds"])
        yield f"{baseline['auc']:.3f}", said
    epochs = run_facts.epochs(training["epochs"])
    yield (
        say("{seconds} s", seconds=f"{training['seconds']:.0f}"),
        say("training, {epochs} on {device}", epochs=epochs, device=training["device"]),
    )


def _notes(result: Json, data: Json, details: Json) -> Iterator[tuple[str, Phrase]]:
    """Yield what a reader should know before the scores, each with how loud it is."""
    part, splits = details["part"], data["splits"]
    scores, short = result[part], "test" if part == "test" else "val"
    if part == "validation":
        yield (
            "caution",
            say(
                "No rows were held out for a test: the validation rows chose the best epoch, so these scores are a "
                "little high."
            ),
        )
    if "freeze" in result:
        freeze = result["freeze"]
        yield (
            ("fine" if freeze["holds"] else "grave"),
            say("Encoder: {verdict}.", verdict=run_facts.FREEZE[freeze["holds"]]),
        )
    if baseline := details.get("baseline"):
        yield from (_beyond_statistics if "authenticity" in scores else _against)(baseline, scores)
    if (leak := splits.get("format_leak")) and format_leak.separates(leak):
        of = say("The file format alone separates the classes (AUC {auc:.3f}): these scores may be of formats.", **leak)
        yield "grave", of
    near = splits.get("near_copies_in_train", {}).get(short, 0)
    if near > _OFTEN * splits[short]:
        of = say(
            "{near} of {rows} rows are near copies of training rows: the scores are optimistic.",
            near=near,
            rows=splits[short],
        )
        yield "caution", of
    if (tokens := data.get("tokens")) and tokens["train"]["texts_cut"] > _OFTEN * tokens["train"]["texts"]:
        share = 100 * tokens["train"]["texts_cut"] / tokens["train"]["texts"]
        limit = tokens["max_length"]
        cut = say(
            "{share:.0f} % of the training texts are longer than max_length, {limit} tokens.", share=share, limit=limit
        )
        yield "caution", cut
    if suspects := details["suspects"]:
        yield (
            "mild",
            say(
                "{suspects} of {rows} labels are worth a look: the model is surer of another class than it usually is. "
                "Only a hint, since the model may be wrong.",
                suspects=suspects,
                rows=scores["rows"],
            ),
        )


def _against(baseline: Json, scores: Json) -> Iterator[tuple[str, Phrase]]:
    low, high = scores["interval_95"]["accuracy"]
    values = {"baseline": baseline["accuracy"], "rows": baseline["rows"]}
    if baseline["accuracy"] > high:
        yield "grave", say("TF-IDF and a linear head on {rows:,} rows are better: accuracy {baseline:.3f}.", **values)
    elif baseline["accuracy"] >= low:
        yield (
            "caution",
            say(
                "Not clearly better than TF-IDF and a linear head on {rows:,} rows, whose accuracy {baseline:.3f} is "
                "in the interval of this run.",
                **values,
            ),
        )
    else:
        yield "fine", say("Better than TF-IDF and a linear head on {rows:,} rows, accuracy {baseline:.3f}.", **values)


def _beyond_statistics(baseline: Json, scores: Json) -> Iterator[tuple[str, Phrase]]:
    """Yield whether a detector knows more than plain statistics of the same images."""
    own = scores["authenticity"]
    low, high = authenticity.interval(own) or (0.0, 1.0)
    values = {"baseline": baseline["auc"], "rows": baseline["rows"]}
    if baseline["auc"] > high:
        yield (
            "grave",
            say("A regression on plain statistics of {rows:,} images is better: AUC {baseline:.3f}.", **values),
        )
    elif baseline["auc"] >= low:
        yield (
            "caution",
            say(
                "Not clearly better than a regression on plain statistics of {rows:,} images, whose AUC {baseline:.3f} "
                "is in the interval of this run, {low:.3f} to {high:.3f}.",
                low=low,
                high=high,
                **values,
            ),
        )
    else:
        yield (
            "fine",
            say("Better than a regression on plain statistics of {rows:,} images, AUC {baseline:.3f}.", **values),
        )


def _scores(result: Json) -> Table:
    parts = [part for part in ("test", "validation") if part in result]
    shown = {key: label for key, label in _SCORES.items() if key in result[parts[0]]}
    head = [run_facts.OF_PART[part] for part in parts]
    return Table(("", *head), [(label, *(result[part][key] for part in parts)) for key, label in shown.items()])


def _images(folder: Path, descriptions: Mapping[str, Phrase]) -> list[Image]:
    """Return the figures of a part of the rows that were drawn."""
    files = {folder / f"{name}.png": text for name, text in descriptions.items()}
    return [read_image(file, text) for file, text in files.items() if file.exists()]


def _authenticity(folder: Path, result: Json | None) -> dict[str, object] | None:
    if result is None:
        return None
    verdicts = [(name, *counts.values()) for name, counts in result.get("verdicts", {}).items()]
    head = (say("truly"), say("called fake"), say("unsure"), say("called real"))
    return {
        "scores": Table(
            ("", run_facts.OF_PART[folder.name]), [(label, result[key]) for key, label in _AUTHENTICITY.items()]
        ),
        "verdicts": Table(head, verdicts) if verdicts else None,
        "generators": _generators(result["per_generator"]),
        "figures": _images(folder, _AUTHENTICITY_FIGURES),
    }


def _generators(lines: Sequence[Json]) -> Table:
    rows = [
        (line["generator"], "" if line["generator"] == MACRO else line["fakes"], *(line[key] for key in _GENERATOR))
        for line in lines
    ]
    return Table((say("generator"), say("fakes"), *_GENERATOR.values()), rows)
