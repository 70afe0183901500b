"""A folder of runs for the board: copies of one real run, of which a part is changed, half-written or damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.comparisons import edit
from tithe import storage

# What a copy of a finished run lacks, or has instead, and what the board says of it: the state and the problem.
DAMAGED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "finished": (lambda home: None, "finished", ""),
    "stopped": (lambda home: (home / "metrics.json").unlink(), "stopped", ""),
    "no history": (lambda home: (home / "history.jsonl").unlink(), "finished", ""),
    "half a line": (lambda home: add(home, b'{"kind": "val", "st'), "finished", ""),
    "not begun": (lambda home: (home / "data_report.json").unlink(), "stopped", "it stopped before it trained"),
    "no config": (lambda home: (home / "config.json").unlink(), "broken", "there is no config.json"),
    "cut config": (lambda home: cut(home / "config.json"), "broken", "config.json is damaged"),
    "other config": (
        lambda home: storage.write_json(home / "config.json", {"model_type": "bert"}),
        "foreign",
        "config",
    ),
    "a list": (lambda home: (home / "config.json").write_text("[1]"), "foreign", "config.json is not one that tithe"),
    "wrong types": (lambda home: edit(home / "config.json", lambda c: c.update(train=[])), "broken", ""),
    "unknown key": (lambda home: edit(home / "config.json", lambda c: c.update(what=1)), "broken", "what"),
    "deep": (lambda home: (home / "config.json").write_text("[" * 99999), "broken", "config.json is damaged"),
    "cut report": (lambda home: cut(home / "data_report.json"), "broken", "data_report.json is damaged"),
    "no splits": (lambda home: storage.write_json(home / "data_report.json", {}), "broken", "data_report.json"),
    "cut metrics": (lambda home: cut(home / "metrics.json"), "broken", "metrics.json is damaged"),
    "junk": (lambda home: add(home, b"\xff\x00\n"), "broken", "can't be read"),
    "not a record": (lambda home: add(home, b'{"kind": "val"}\n'), "broken", "is not a record of a run"),
    "a folder": (lambda home: (add(home, b""), replace_by_folder(home / "metrics.json")), "broken", "no metrics.json"),
}


def copied(run: Path, target: Path, **settings: Any) -> Path:
    """Copy what the board reads of a finished run; settings are `section__key=value`, or `name="…"`."""
    shutil.copytree(run, target, ignore=shutil.ignore_patterns("checkpoints", "assets", "*.png", "manifest.json"))
    for key, value in settings.items():
        section, _, name = key.rpartition("__")
        edit(target / "config.json", lambda c, s=section, n=name, v=value: (c[s] if s else c).update({n: v}))
    return target


def add(home: Path, content: bytes) -> None:
    with (home / "history.jsonl").open("ab") as file:
        file.write(content)


def step(number: int, loss: float = 0.5) -> bytes:
    record = {"kind": "train", "step": number, "epoch": 1, "batch_loss": loss, "lr_0": 0.1}
    return json.dumps(record).encode() + b"\n"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
