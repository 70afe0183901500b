"""Run directories and encoders that must be refused: edited, damaged, or with NaN in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from support.bad_inputs import Bad, Content
from tithe import storage


def _nan_encoder(path: Path, run: Path) -> None:
    """Copy the encoder of a run, with NaN in its weights."""
    shutil.copytree(json.loads((run / "config.json").read_text())["model"]["encoder"], path)
    weights = load_file(path / "model.safetensors")
    for value in weights.values():
        value.fill_(float("nan"))
    save_file(weights, path / "model.safetensors", {"format": "pt"})


ENCODERS = {
    "select: NaN in the encoder": Bad(
        "its states are NaN or infinite",
        ("select", "rows.parquet", "--encoder", "nan", "--max-length", "32", "--out", "p.parquet"),
        {"nan": _nan_encoder},
    )
}


def _run(name: str, content: str | bytes) -> Content:
    """Return an unfinished run with a file of other content."""

    def make(path: Path, run: Path) -> None:
        shutil.copytree(run, path)
        (path / storage.MANIFEST).unlink()
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return make


_OTHER_RUN = "is not one that a run of tithe wrote"
_RUNS: dict[tuple[str, str | bytes], str] = {
    ("config.json", "{}"): _OTHER_RUN,
    ("config.json", "[]"): _OTHER_RUN,
    ("config.json", "{"): "is not JSON",
    ("config.json", "[" * 100_000): "nested too deeply",
    ("environment.json", "{}"): _OTHER_RUN,
    ("environment.json", "null"): _OTHER_RUN,
    ("data_report.json", "{}"): _OTHER_RUN,
    ("data_report.json", "7"): _OTHER_RUN,
    ("metrics.json", "[]"): _OTHER_RUN,
    ("history.jsonl", "garbage\n"): "history.jsonl is damaged: line 1",
    ("history.jsonl", "[1]\n"): "history.jsonl is damaged: line 1",
    ("history.jsonl", '{"a": 1}\n'): "line 1 of .*history.jsonl is not a record",
    ("history.jsonl", b"\xff\xfe\n"): "history.jsonl is damaged",
    ("history.jsonl", "[" * 100_000 + "\n"): "history.jsonl is damaged",
    ("test/predictions.parquet", "x"): "predictions.parquet can't be read",
}
RUNS = {
    f"compare: {name} {content[:12]!r}": Bad(says, ("compare", "r"), {"r": _run(name, content)})
    for (name, content), says in _RUNS.items()
}
RUNS |= {
    "verify: a changed run": Bad(
        "config.json",
        ("verify", "r"),
        {"r": lambda path, run: (shutil.copytree(run, path), (path / "config.json").write_text("{}"))},
        code=1,
    ),
    "verify: an empty manifest": Bad("manifest.json", ("verify", "r"), {"r/manifest.json": "{}"}, code=1),
    "verify: a manifest of garbage": Bad("manifest.json", ("verify", "r"), {"r/manifest.json": "x"}, code=1),
    "verify: a manifest, 100,000 deep": Bad(
        "manifest.json", ("verify", "r"), {"r/manifest.json": "[" * 100_000}, code=1
    ),
    "verify: a manifest that leads outside": Bad(
        "changed", ("verify", "r"), {"r/manifest.json": '{"../good.yaml": "x"}'}, code=1
    ),
}
