"""Export a trained classifier: written aside, compared on real rows, and only then put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from tithe import __version__, plugins, storage
from tithe.errors import InputError
from tithe.export import card, parity, rows
from tithe.export.inputs import Probs
from tithe.export.parity import SUMMARY
from tithe.export.source import Source
from tithe.export.targets import Target
from tithe.predict import TrainedModel, load
from tithe.progress import bar

ROWS = 1000


@dataclass(frozen=True)
class Request:
    """What to export, and how.

    Attributes
    ----------
    target
        Name of the format.
    accept
        Smallest share of rows with the label of tithe.
    license
        For the card: an identifier such as apache-2.0.
    count
        Most rows to compare on.
    """

    target: str
    accept: float = 1.0
    license: str | None = None
    count: int = ROWS


def export(path: Path, request: Request, out: Path) -> dict[str, Any]:
    """Write a folder that others can use without tithe; nothing is left there unless it answers like the checkpoint.

    Parameters
    ----------
    path
        What `predict.load` takes.
    out
        The folder, which does not exist yet.

    Returns
    -------
    The content of its `parity.json`.

    Raises
    ------
    InputError
        An argument is wrong, the run's data have changed, or the format can't express this network.
    TitheError
        Its answers are not those of the checkpoint; see `parity.require`.
    """
    target = cast(Target, plugins.load("targets", request.target))
    parity.check_accept(request.accept)
    _check_out(out, path)
    trained = load(path).exactly()
    reference = rows.of_run(trained, request.count)
    with storage.atomic_folder(out) as aside:
        source = Source.of(trained)
        target.write(source, aside)
        expected_NC = _expected(trained, reference.inputs)
        found = parity.answers(target, aside, reference.inputs)
        result = parity.summary(found, expected_NC, reference.labels_N)
        parity.require(result, request.accept, target.TOLERANCE, f"the export to {request.target}")
        is_image = trained.run.task == "image"
        sha256 = [rows.fingerprint(text, is_image) for text in reference.inputs]
        parity.save_rows(aside, sha256, expected_NC)
        about = {**_about(source, request, target, out), "parts": reference.parts, **result}
        storage.write_json(aside / SUMMARY, about)
        facts = card.facts(trained, path, about, request.license)
        storage.write_text(aside / card.FILE, card.text(facts, target.usage(aside)))
        _as_readable_as(aside / SUMMARY, aside)
    return about


def _check_out(out: Path, path: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out} exists already: choose another folder, or delete it")
    if (path / storage.MANIFEST).exists() and out.resolve().is_relative_to(path.resolve()):
        raise InputError(f"--out {out} is inside the run, which would no longer verify: choose a folder outside")
    storage.check_writable_folder(out)


def _expected(trained: TrainedModel, inputs: Sequence[str]) -> Probs:
    with bar("tithe", len(inputs), "rows") as tick:
        return trained.probabilities(trained.task.examples(inputs), tick=tick)


def _as_readable_as(file: Path, folder: Path) -> None:
    """Give every file of a folder the mode of one: some libraries write files that only their owner may read."""
    for other in storage.files_in(folder):
        other.chmod(file.stat().st_mode)


def _about(source: Source, request: Request, target: Target, out: Path) -> dict[str, Any]:
    return {
        "target": request.target,
        "task": source.run.task,
        "tithe": __version__,
        "packages": {name: version(name) for name in target.PACKAGES},
        "against": parity.AGAINST,
        "at_once": target.AT_ONCE,
        "accept": request.accept,
        "tolerance": target.TOLERANCE,
        "temperature": source.temperature,
        "data": rows.origin(source.run, out),
    }
