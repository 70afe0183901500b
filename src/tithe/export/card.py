"""The model card: what an export is, how it is used, what it was made of, and what it can't do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.checkpoints.state import EMA, ENCODER, MODEL
from tithe.models.heads.native import NativeHead
from tithe.predict import TrainedModel
from tithe.storage import freeze_proof, run_files

FILE = "README.md"
_CELL = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "`": "'", "<": "&lt;", "[": "\\["})
_SCORES = ("accuracy", "f1")


@dataclass(frozen=True)
class Facts:
    """What a card says.

    Attributes
    ----------
    config
        The resolved config of the run.
    names
        The classes, in the order of the outputs.
    made_of
        The fingerprints in the checkpoint.
    weights
        The hashes of the checkpoint's files of weights.
    step
        The optimizer step that the weights are of.
    data, metrics
        `data_report.json` and `metrics.json` of the run; None if the checkpoint has none beside it.
    parity
        `parity.json`.
    license
        Its identifier, if one was given.
    head
        What kind of head it is: native, linear or mlp.
    """

    config: Mapping[str, Any]
    names: Sequence[str]
    made_of: Mapping[str, Any]
    weights: Mapping[str, str]
    step: int
    data: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    parity: Mapping[str, Any]
    license: str | None
    head: str


def facts(trained: TrainedModel, path: Path, parity: Mapping[str, Any], license: str | None) -> Facts:
    """Collect what a card says of a checkpoint, and of the run that it is in."""
    home = next((place for place in (path, *trained.folder.parents[:2]) if (place / run_files.METRICS).is_file()), None)
    files = storage.listed_files(trained.folder)
    is_native = isinstance(getattr(trained.model, "head", None), NativeHead)
    return Facts(
        config=trained.run.model_dump(mode="json"),
        names=[str(name) for name in trained.labels.names],
        made_of=trained.progress["made_of"],
        weights={name: files[name] for name in (MODEL, EMA, ENCODER) if name in files},
        step=trained.progress["step"],
        data=storage.read_json(home / run_files.DATA_REPORT) if home else None,
        metrics=storage.read_json(home / run_files.METRICS) if home else None,
        parity=parity,
        license=license,
        head="native" if is_native else trained.run.model.head,
    )


def text(facts: Facts, usage: str) -> str:
    """Return the card: Markdown with the hub's metadata at its beginning."""
    parts = [_header(facts), *_about(facts, usage), *_results(facts), *_making(facts), *_limits(facts)]
    return "\n".join(parts) + "\n"


def _header(facts: Facts) -> str:
    is_image = facts.parity["task"] == "image"
    values = {
        "license": facts.license or "unknown",
        "pipeline_tag": "image-classification" if is_image else "text-classification",
        "library_name": "transformers" if facts.parity["target"] == "huggingface" else "onnx",
        "tags": ["tithe"],
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in values.items()), "---"])


def _about(facts: Facts, usage: str) -> Iterator[str]:
    yield f"# {_cell(facts.config['name'])}\n"
    kind = "images" if facts.parity["task"] == "image" else "texts"
    yield f"A classifier of {kind} with {len(facts.names)} classes, exported by tithe {facts.parity['tithe']}.\n"
    yield "| class | name |\n|---|---|"
    yield from (f"| {i} | {_cell(name)} |" for i, name in enumerate(facts.names))
    yield f"\n## Use\n\n```python\n{usage}\n```\n"
    yield from _preparation(facts)


def _preparation(facts: Facts) -> Iterator[str]:
    target = facts.parity["target"]
    if facts.parity["task"] == "image":
        s = facts.config["images"]
        yield (
            f"Images are never resized: `crops` is {s['crops']} squares of {s['size']} pixels, evenly spaced from edge "
            "to edge, RGB, uint8, shape (images, crops, 3, side, side). The score of being real is the sigmoid of the "
            "first output; the other two are logits of fake and real.\n"
        )
        return
    yield (
        f"Texts are cut after {facts.config['model']['max_length']} tokens, which needs `truncation=True`. tithe "
        "removes control characters, collapses white space and composes accents (NFC) before it reads a text.\n"
    )
    if target == "huggingface" and facts.head != "native":
        yield (
            "The head is tithe's own: its code is `modeling_tithe.py` in this folder, and runs only with "
            "`trust_remote_code=True`. Read it first: it is short.\n"
        )
    if target == "huggingface" and facts.head == "native":
        yield "The model is of a class of transformers: no code of this folder runs.\n"


def _results(facts: Facts) -> Iterator[str]:
    yield "## Results\n"
    if facts.metrics is None:
        yield "None: it was exported from a checkpoint without a finished run.\n"
    else:
        yield "| rows | number | score | value | 95 % interval |\n|---|---|---|---|---|"
        for part in run_files.PARTS:
            yield from _scores(part, facts.metrics.get(part))
        yield "\nMeasured with the checkpoint, before the export; intervals are of a bootstrap of these rows.\n"
    if facts.parity["temperature"] is not None:
        yield (
            f"\nProbabilities are calibrated: a temperature of {facts.parity['temperature']:.3f}, fitted on the "
            "validation rows, is in the weights of the last layer, so that the softmax of the logits has it.\n"
        )
    yield from _parity(facts.parity)


def _scores(part: str, scores: Mapping[str, Any] | None) -> Iterator[str]:
    for name in _SCORES if scores else ():
        assert scores is not None
        low, high = scores["interval_95"][name]
        shown = "macro F1" if name == "f1" else name
        yield f"| {part} | {scores['rows']} | {shown} | {scores[name]:.4f} | {low:.4f} to {high:.4f} |"


def _parity(parity: Mapping[str, Any]) -> Iterator[str]:
    beside, parts = parity["neighbours"], ", ".join(f"{count} {name}" for name, count in parity["parts"].items())
    at_once = parity["at_once"]
    how = "one input at a time" if at_once == 1 else f"batches of {at_once}"
    yield f"## Parity\n\nCompared on {parity['rows']} rows ({parts}) in {how}, with"
    yield f"`{parity['against']}` (float32, one input at a time):\n"
    yield "| | |\n|---|---|"
    yield f"| equal labels | {parity['equal_labels']:.2%}, and {parity['accept']:.2%} asked for |"
    yield f"| largest difference of a probability | {parity['largest_difference']:.2g} |"
    accuracy = parity["accuracy"]
    yield f"| accuracy on these rows | {accuracy['export']:.4f}, of tithe {accuracy['tithe']:.4f} |"
    other = "in batches of 32" if at_once == 1 else "alone"
    apart = f"{beside['largest_difference']:.2g}"
    yield f"| the same {other} | {beside['equal_labels']:.2%} equal labels, difference {apart} |"
    if at_once == 1:
        yield "\n**Run it one input at a time**: weights are in 8 bits, and the answer depends on others in its batch."
    yield (
        "\n`tithe verify FOLDER` computes this again. `parity_rows.parquet` has the answers of tithe, and of each row "
        "its SHA-256 alone, from which a very short text can be guessed.\n"
    )


def _making(facts: Facts) -> Iterator[str]:
    config, made_of = facts.config, facts.made_of
    model, train = config["model"], config["train"]
    yield "## How it was made\n\n| | |\n|---|---|"
    if facts.parity["task"] != "image":
        yield f"| encoder | {_cell(Path(model['encoder']).name)}, frozen: {freeze_proof.asked(config)} |"
        yield f"| head | {facts.head}, {made_of['model'].get('pooling')} pooling |"
    batches, rate = f"batches of {train['batch_size']}", f"learning rate {train['learning_rate']:g}"
    yield f"| training | {train['epochs']} epochs, {batches}, {rate}, seed {config['seed']} |"
    yield f"| weights | of step {facts.step}, the best by {config['checkpoint']['best_by']} |"
    if select := config["select"]:
        yield f"| selection | {_cell(select['strategy'])}, budget {select['budget']} |"
    yield f"| data | {_cell(Path(config['data']['path']).name)} |"
    if facts.data:
        splits = facts.data["splits"]
        yield f"| rows | {splits['train']} training, {splits['val']} validation, {splits['test']} test |"
        yield f"| SHA-256 of the rows | {facts.data.get('rows_sha256', '–')} |"
    yield f"| fingerprint of the data | {made_of['data']} |"
    yield f"| SHA-256 of the classes | {made_of['labels']['sha256']} |"
    yield from (f"| SHA-256 of {name} | {sha256} |" for name, sha256 in facts.weights.items())
    packages = ", ".join(f"{name} {version}" for name, version in facts.parity["packages"].items())
    yield f"| exported with | {packages} |\n"


def _limits(facts: Facts) -> Iterator[str]:
    yield "## Limits\n"
    yield (
        "- It knows only the classes above, and gives every input one of them: also those that belong to none.\n"
        "- It was measured on rows like those it was trained on; other sources need a measurement of their own."
    )
    small = [f"{_cell(name)} ({rows})" for name, rows in (facts.data or {}).get("classes", {}).items() if rows < 50]
    if small:
        yield f"- Classes with fewer than 50 rows, of which the scores say little: {', '.join(small[:20])}."
    cut = ((facts.data or {}).get("tokens") or {}).get("test")
    if cut and cut["texts_cut"]:
        share = cut["texts_cut"] / cut["texts"]
        yield f"- What is cut off has no influence: of the test texts {share:.1%} are longer than is read."
    unknown = "Not given: ask whoever published it, also about the encoder and the data."
    yield f"\n## Licence\n\n{facts.license or unknown}"


def _cell(value: object) -> str:
    """Return a value that can't change the table that it is in."""
    return str(value).translate(_CELL)
