"""Commands that the pages show run as they stand there, on small data: a page's own, in its order, in one folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

import tithe as package
from support import docs
from support.texts import make_texts, write_rows

TEXTS, LABELS = make_texts(60)
PAGES = ["README", "docs/use"]  # between them, nearly every command
# The other pages whose commands run on such data; those of docs/extending and of the tutorials have tests of their own.
_MORE = ("audit", "data", "export", "index", "labelling", "mistakes", "predictions", "python", "selection")
PAGES_SLOWLY = [pytest.param(f"docs/{name}", marks=pytest.mark.slow) for name in _MORE]
# What a test can't wait for: the network, minutes, or an end.
_WITHOUT = {"quickstart", "fetch", "suite", "tune", "serve", "board"}
# Exports that take long or go elsewhere, a language model, a folder that only the quickstart makes, and what a reader
# fills in.
_SLOW = re.compile("onnx|int8|push|ifd|quickstart|…|RUN")


@pytest.fixture(scope="module")
def shown(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages name: data, the config of README.md, and finished runs of it."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _write_data()
        raw = YAML(typ="safe").load(docs.blocks("README.md", "yaml")[0])
        raw["model"] |= {"encoder": str(tiny_bert), "max_length": 32}  # the rest is the page's
        Path("config.yaml").write_text(json.dumps(raw), encoding="utf-8")
        package.train({**raw, "out": "runs/first"})
        for name in ("second", "a", "b"):
            shutil.copytree("runs/first", f"runs/{name}")
    return folder


def _write_data() -> None:
    for name in ("rows", "other"):
        write_rows(Path(f"{name}.parquet"), list(TEXTS), list(LABELS))
    lines = [f"{text},{label}\n" for text, label in zip(TEXTS, LABELS, strict=True)]
    for name, part in {"round1": lines[:24], "labelled-1": lines[:24], "labelled-2": lines[24:48]}.items():
        Path(f"{name}.csv").write_text("text,label\n" + "".join(part), encoding="utf-8")
    Path("pool.csv").write_text("text\n" + "".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    Path("rows.csv.gz").write_bytes(gzip.compress(("text,label\n" + "".join(lines)).encode()))
    shutil.copy("round1.csv", "reviews.csv")
    piped = "".join(f"{label}|{text}\n" for text, label in zip(TEXTS, LABELS, strict=True))
    Path("rows.csv").write_text(piped, encoding="cp1251")
    records = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, LABELS, strict=True)]
    Path("rows.jsonl.zst").write_bytes(pa.Codec("zstd").compress("\n".join(records).encode(), asbytes=True))
    Path("rows").mkdir()
    shutil.copy("rows.parquet", "rows/one.parquet")
    Path("parts").mkdir()
    shutil.copy("pool.csv", "parts/one.csv")
    pq.write_table(pa.table({"id": np.arange(120), "score": np.linspace(0, 1, 120)}), "scores.parquet")
    np.save("vectors.npy", np.random.default_rng(0).normal(size=(120, 4)))
    own = {"row": 0, "text_sha256": hashlib.sha256(TEXTS[0].encode()).hexdigest(), "label": "space"}
    Path("corrections.json").write_text(json.dumps({"corrections": [own]}), encoding="utf-8")


def cheap(page: str) -> list[list[str]]:
    """Return the whole commands of a page that a test can wait for, with dots where the reader decides."""
    whole = [words for words, is_whole in docs.commands(page) if is_whole]
    return [words for words in whole if words[0] not in _WITHOUT and not any(map(_SLOW.search, words))]


@pytest.mark.parametrize("page", [*PAGES, *PAGES_SLOWLY])
def test_the_commands_of_a_page_run(
    page: str, shown: Path, tithe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(shown, tmp_path / "here"))
    assert len(cheap(f"{page}.md")) > 1
    for words in cheap(f"{page}.md"):
        if words[0] == "train":
            shutil.rmtree(words[-1], ignore_errors=True)  # the page makes it
        code, _, err = tithe(*(word.replace("stride=192", "stride=24") for word in words))  # the texts here are short
        assert code == 0, [words, *err]
