"""What the page of a run says of its data, its search and its circumstances, as pairs of a name and a value."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe.report.html import MISSING, Cell, Fact, Table, Value
from tithe.report.words import Phrase, joined, say
from tithe.storage import run_files

Json = Mapping[str, Any]  # what a file of the run directory holds

PARTS = {"train": say("training"), "val": say("validation"), "test": say("test")}
OF_PART = {"validation": say("validation rows"), "test": say("test rows")}
# By what the proof says of its holding: None where nothing was frozen.
FREEZE = {
    None: say("not frozen: the encoder was trained"),
    True: say("frozen: no frozen tensor changed"),
    False: say("broken: frozen tensors changed"),
}
_ENDS = {
    "finished": say("ran to the end"),
    "stopped early": say("stopped early"),
    "diverged": say("diverged"),
}
DROPPED = {
    "duplicate": say("duplicate"),
    "conflict": say("the same with another label"),
    "conflicting_label": say("the same with another label"),
    "missing_text": say("no text"),
    "empty_text": say("empty text"),
    "not_text": say("not a text"),
    "missing_label": say("no label"),
    "unknown_symbol": say("a label without a class"),
    "unknown_split": say("of another part"),
    "correction": say("left out by a correction"),
    "unreadable": say("unreadable"),
    "in_test": say("also in the test rows"),
    "in_validation": say("also in the validation rows"),
    "held_out": say("held out"),
    "missing": say("no file"),
    "missing_path": say("no path"),
    "unreadable_row": say("unreadable"),
    "unreadable_name": say("unreadable name"),
    "no_class_folder": say("in no folder of a class"),
    "no_permission": say("no permission to read it"),
    "empty_file": say("empty file"),
    "not_an_image": say("no image"),
    "truncated": say("ends too early"),
    "damaged": say("damaged"),
    "too_large": say("too many pixels"),
    "too_small": say("too small"),
    "unsupported_mode": say("pixels of an unknown kind"),
}


def epochs(count: int) -> Phrase:
    """Return a number of epochs."""
    return say("{count} {count:epoch|epochs}", count=count)


def row_counts(data: Json) -> Iterator[Fact]:
    """Yield how many rows there were after each step from the file to the training rows."""
    splits = data["splits"]
    yield say("rows read"), data["rows_read"]
    yield say("rows kept"), data["rows_kept"]
    for reason, count in data["dropped"].items():
        yield say("dropped: {reason}", reason=DROPPED.get(reason, reason)), count
    for part, name in PARTS.items():
        yield say("{part} rows", part=name), splits[part]
    for part, counts in splits.get("given", {}).items():
        yield say("{part} rows of the data's own split", part=part), counts["rows"]
        if counts["repeated"]:
            yield say("{part} rows that repeat a text of that split", part=part), counts["repeated"]
    if untrained := splits.get("not_in_training"):
        yield say("classes without training rows"), ", ".join(untrained)
    if "train_selected" in splits:
        yield say("training rows selected"), splits["train_selected"]
    if splits["train_after_balancing"] != splits.get("train_selected", splits["train"]):
        yield say("training rows after balancing"), splits["train_after_balancing"]
    if splits["too_small_to_split"]:
        yield say("classes too small to split, in training only"), ", ".join(splits["too_small_to_split"])


def properties(data: Json) -> Iterator[Fact]:
    """Yield what is known of the rows beyond their number; texts and images have different properties."""
    splits = data["splits"]
    for classes in data.get("alike_classes", ()):
        alike = [say("{name} ({rows} {rows:row|rows})", name=name, rows=rows) for name, rows in classes.items()]
        yield say("classes that look alike"), joined(alike)
    if words := data.get("words"):
        yield say("words of a text"), say("mean {mean}, median {median}, most {max}", **words)
    if tokens := data.get("tokens"):
        lost = [say("{part}: {lost}", part=name, lost=_lost(tokens[part])) for part, name in PARTS.items()]
        shown = [phrase for part, phrase in zip(PARTS, lost, strict=True) if tokens[part]["texts"]]
        yield say("cut at {tokens} tokens", tokens=tokens["max_length"]), joined(shown, "; ")
    if near := data.get("near_duplicates"):
        rows = near.get("rows", near.get("images"))
        yield (
            say("near copies"),
            say("{rows} {rows:row|rows} in {groups} {groups:group|groups}", rows=rows, groups=near["groups"]),
        )
    if near := splits.get("near_copies_in_train"):
        yield say("near copies of training rows"), say("{val} of validation, {test} of test", **near)
    if sizes := data.get("sizes"):
        width, height = (say("{min} to {max}", **span) for span in sizes.values())
        yield say("pixels of an image"), say("width {width}, height {height}", width=width, height=height)
    if leak := splits.get("format_leak"):
        found = say("AUC {auc:.3f}; up to {chance:.3f} may be chance", auc=leak["auc"], chance=leak["chance"])
        unknown = say("not measured: a class has too few independent training images")
        yield say("classes predicted from the file format alone"), unknown if leak["auc"] is None else found


def _lost(counts: Mapping[str, int]) -> Phrase:
    return say(
        "{cut} of {texts} texts ({share:.1f} %), {lost:.1f} % of the tokens",
        cut=counts["texts_cut"],
        texts=counts["texts"],
        share=100 * counts["texts_cut"] / max(counts["texts"], 1),
        lost=100 * counts["tokens_lost"] / max(counts["tokens"], 1),
    )


def class_sizes(counts: Mapping[str, int]) -> Table:
    """Return the rows of every class, the largest first."""
    largest_first = sorted(counts, key=lambda name: counts[name], reverse=True)
    return Table((say("class"), say("rows")), [(name, counts[name]) for name in largest_first])


def search(summary: Json) -> dict[str, object]:
    """Return what a search for settings did, from `tuning.json`."""
    tune, rows = summary["tune"], summary["rows"]
    about = say(
        "{trials} {trials:trial|trials} of {epochs}, drawn by {sampler} search, took {seconds:.1f} s. They were "
        "trained on {train} training rows and judged by {metric} on {val} others. Number {best} was best: the resolved "
        "config has its values.",
        trials=len(summary["trials"]),
        epochs=epochs(tune["epochs"]),
        sampler=tune["sampler"],
        seconds=summary["seconds"],
        metric=tune["metric"],
        best=summary["best"]["number"],
        **rows,
    )
    return {"about": about, "trials": _trials(summary["trials"])}


def _trials(trials: Sequence[Json]) -> Table:
    """Return the trials of a search with the values each one tried, the lowest loss first."""
    ordered = sorted(trials, key=lambda trial: float(trial.get("val_loss", "inf")))
    tried = [{name: value for part in trial["values"].values() for name, value in part.items()} for trial in ordered]
    names = list(dict.fromkeys(name for values in tried for name in values))
    rows: list[list[Value | Cell]] = []
    for trial, values in zip(ordered, tried, strict=True):
        settings = [_setting(values.get(name)) for name in names]
        rows.append(
            [trial["number"], trial.get("val_loss"), trial.get("val_accuracy"), *settings, _ENDS[trial["state"]]]
        )
    return Table((say("trial"), "loss", "accuracy", *names, say("end")), rows)


def _setting(value: object) -> str | None:
    if value is None:
        return None
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def cost(result: Json, memory: Mapping[str, int]) -> Iterator[Fact]:
    """Yield what the run took."""
    training = result["training"]
    if "preparation_seconds" in training:
        yield say("preparing data and network"), say("{seconds} s", seconds=training["preparation_seconds"])
    yield (
        say("training"),
        say(
            "{seconds} s for {epochs} on {device}",
            seconds=training["seconds"],
            epochs=epochs(training["epochs"]),
            device=training["device"],
        ),
    )
    waited = say("{waited} s of {seconds} s", waited=training["waited_seconds"], seconds=training["seconds"])
    yield say("waited for data"), waited
    yield say("rows per second"), str(training["rows_per_second"] or MISSING)
    names = {"process": say("most memory"), "gpu": say("most memory of the GPU")}
    for name, size in memory.items():
        yield names[name], say("{size:,} MiB", size=size)
    parameters = say(
        "{all:,}, of which {trained:,} were trained", all=training["parameters"], trained=training["parameters_trained"]
    )
    yield say("parameters"), parameters
    yield say("arithmetic"), training["precision"]


def proof(result: Json, environment: Json) -> Iterator[Fact]:
    """Yield what was run, on what machine, and the hashes that prove it."""
    training = result["training"]
    yield say("final weights, SHA-256"), training["final_weights_sha256"]
    yield say("split, SHA-256"), training["split_sha256"]
    part = next(result[part] for part in run_files.PARTS if part in result)
    if "authenticity" not in part:
        yield say("temperature of the probabilities"), part.get("temperature", say("none: no validation rows"))
    if "freeze" in result:
        yield say("encoder"), FREEZE[result["freeze"]["holds"]]
    yield say("command"), " ".join(environment["command"])
    machine = "{}, {} cores, Python {}".format(*(environment[key] for key in ("platform", "cpu_count", "python")))
    yield say("machine"), machine
    yield say("packages"), ", ".join(f"{name} {version}" for name, version in environment["packages"].items())


def commands(home: Path, settings: Json) -> str:
    """Return the commands that check a run and repeat it.

    Parameters
    ----------
    settings
        The resolved config.
    """
    check = shlex.join(["tithe", "verify", str(home)])
    resumed = settings["checkpoint"]["resume"]
    # A run that was stopped and went on is repeated from its beginning: its checkpoints may be gone.
    is_own = resumed is not None and Path(resumed).resolve().is_relative_to(home.resolve())
    again = ["tithe", "train", str(home / run_files.CONFIG), "--out", f"{home}-again"]
    return f"{check}\n" + shlex.join([*again, *(["--set", "checkpoint.resume=null"] if is_own else [])])
