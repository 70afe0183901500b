"""How seconds, memory and bytes on disk of every stage grow with the rows of a file of short texts.

Each stage is a process of its own that begins with what the earlier ones left in the cache: reading (the account of
every row, exact copies), near copies, the split and its report; then the command `tithe describe`, which does all of
this from an empty cache; features of a tiny frozen encoder with their selection by `tithe select`; `tithe predict`;
`tithe evaluate`. Seven rows in a hundred are near copies of the row before, two exact ones. Memory is private memory:
pages of mapped files, which the system can take back at any time, do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common import private_memory, publish, stamp
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tithe import config, pipeline

WORDS, CLASSES = 60, 10
_NEAR, _EXACT = 0.07, 0.02
_PIECE = 50_000
_ALONE = "describe"  # with an empty cache
STAGES = ("read", "near copies", "split", _ALONE, "select", "predict", "evaluate")
_READ = "from tithe import config; from tithe.data.text import ingest; "
_READ += "ingest.ingest(config.Data(path={file!r}))"
_NEAR_COPIES = "from tithe import config; from tithe.data.text import ingest, near_duplicates as n; "
_NEAR_COPIES += "n.groups_of(ingest.ingest(config.Data(path={file!r}))[0])"
_SPLIT = "from tithe import config, data; data.load(config.Data(path={file!r}), seed=0)"
_TITHE = [sys.executable, "-m", "tithe"]


class Measured(NamedTuple):
    """What a stage took: seconds, the peak of private memory in MB, and the MB that it left on disk."""

    seconds: float
    memory: float
    disk: float


def main() -> None:
    """Measure files of several sizes, and publish one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10000,100000,1000000,5000000", help="sizes, separated by commas")
    parser.add_argument("--stages", default="", help="some of the stages, separated by commas; all when unset")
    parser.add_argument("--kept", default="", help="JSON file of measurements: several calls make one page")
    parser.add_argument("--remark", default="", help="said under the table: what else the machine did")
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.rows.split(",") if size]
    found = kept(Path(asked.kept)) if asked.kept else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        needs_model = not asked.stages or {"select", "predict", "evaluate"} & set(asked.stages.split(","))
        checkpoint = _checkpoint(folder) if needs_model else folder
        for rows in sizes:
            file, cache = folder / f"{rows}.parquet", folder / f"cache_{rows}"
            write(file, rows)
            for stage, command in _stages(file, folder, checkpoint).items():
                if not asked.stages or stage in asked.stages.split(","):
                    own = folder / "cache_alone" if stage == _ALONE else cache
                    found.setdefault(stage, {})[rows] = _measured(command, own, folder / "out")
                    print(stage, rows, found[stage][rows], flush=True)
                    if asked.kept:
                        keep(Path(asked.kept), stage, rows, found[stage][rows])
                    shutil.rmtree(folder / "cache_alone", ignore_errors=True)
            shutil.rmtree(cache, ignore_errors=True)
            file.unlink()
    found = kept(Path(asked.kept)) if asked.kept else found
    sizes = sorted({rows for of_size in found.values() for rows in of_size})
    publish("growth", page({stage: found[stage] for stage in STAGES if stage in found}, sizes, asked.remark))


def kept(file: Path) -> dict[str, dict[int, Measured]]:
    """Return what earlier calls, or others that run meanwhile, have measured."""
    found: dict[str, dict[int, Measured]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        stage, rows, measured = json.loads(line)
        found.setdefault(stage, {})[rows] = Measured(*measured)
    return found


def keep(file: Path, stage: str, rows: int, measured: Measured) -> None:
    """Add a measurement."""
    with file.open("a") as lines:
        lines.write(json.dumps([stage, rows, measured]) + "\n")


def write(path: Path, rows: int) -> None:
    """Write texts of 60 words that follow Zipf's law, some of them copies, with classes of no meaning."""
    rng, schema = np.random.default_rng(0), pa.schema({"text": pa.string(), "label": pa.string()})
    words = np.array(vocabulary(), dtype=object)
    edges = np.cumsum(1 / (np.arange(len(words)) + 10.0))
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, _PIECE):
            count = min(_PIECE, rows - first)
            word_NT = np.searchsorted(edges, rng.random((count, WORDS)) * edges[-1])
            kind_N = rng.random(count)
            kind_N[0] = 1
            for row in np.flatnonzero(kind_N < _NEAR + _EXACT):
                word_NT[row] = word_NT[row - 1]
                if kind_N[row] < _NEAR:
                    word_NT[row, rng.integers(WORDS)] = rng.integers(len(words))
            labels = [f"class {label}" for label in rng.integers(CLASSES, size=count)]
            writer.write_table(pa.table([list(map(" ".join, words[word_NT])), labels], schema=schema))


def vocabulary() -> list[str]:
    """Return 50,000 words of letters."""
    rng, letters = np.random.default_rng(1), np.array(list("abcdefghijklmnopqrstuvwxyz"))
    found: dict[str, None] = {}
    while len(found) < 50_000:
        found["".join(rng.choice(letters, rng.integers(2, 10)))] = None
    return list(found)


def page(found: Mapping[str, Mapping[int, Measured]], sizes: list[int], remark: str) -> str:
    """Return the table, with the exponent of each column: 1 is growth in proportion to the rows, 0 none at all."""
    lines = ["# Growth with the rows", "", stamp(), "", f"Texts of {WORDS} words, {CLASSES} classes.", ""]
    names = [f"{rows:,} rows: s · MB · MB on disk" for rows in sizes]
    lines += [f"| stage | {' | '.join(names)} | exponents: s · MB · disk |", "|---|" + "---|" * (len(sizes) + 1)]
    for stage, of_size in found.items():
        each = [of_size.get(rows) for rows in sizes]
        cells = [f"{one.seconds:.1f} · {one.memory:.0f} · {one.disk:.0f}" if one else "–" for one in each]
        measured = sorted(of_size)
        fitted = (exponent(measured, [of_size[rows][column] for rows in measured]) for column in range(3))
        lines.append(f"| {stage} | {' | '.join(cells)} | {' · '.join(fitted)} |")
    return "\n".join([*lines, "", *model(found), *([remark, ""] if remark else [])])


def model(found: Mapping[str, Mapping[int, Measured]]) -> list[str]:
    """Return lines on what a row takes, and what that makes of more rows.

    Time is that of a stage's largest size over its rows; memory is what a row adds from the second largest size on.
    """
    if min(map(len, found.values())) < 2:
        return []
    lines = ["What a row takes: the time of the largest size over its rows, and the memory that it adds there.", ""]
    lines += ["| stage | a row: µs · bytes of memory | 100 million rows: hours · GB | 1 billion rows: hours · GB |"]
    lines += ["|---|---|---|---|"]
    for stage, of_size in found.items():
        few, many = sorted(of_size)[-2:]
        seconds = of_size[many].seconds / many
        size = max(0.0, of_size[many].memory - of_size[few].memory) * 2**20 / (many - few)
        cells = [f"{seconds * rows / 3600:.1f} · {size * rows / 1e9:.0f}" for rows in (1e8, 1e9)]
        lines.append(f"| {stage} | {1e6 * seconds:.1f} · {size:.0f} | {' | '.join(cells)} |")
    if _ALONE in found:
        many = max(found[_ALONE])
        rate = many / found[_ALONE][many].seconds
        lines += ["", f"`tithe describe` reads, cleans, compares and splits {rate:,.0f} of {many:,} rows a second."]
    return [*lines, ""]


def exponent(sizes: list[int], values: list[float]) -> str:
    """Return k of values ~ sizes^k by least squares of the logarithms; a dash where there is too little to fit."""
    if len(sizes) < 2 or min(values) <= 0:
        return "–"
    return f"{np.polyfit(np.log(sizes), np.log(values), 1)[0]:.2f}"


def _stages(file: Path, folder: Path, checkpoint: Path) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    encoder = ["--encoder", str(folder / "encoder"), "--max-length", "16"]
    share = 1000 / pq.ParquetFile(file).metadata.num_rows  # greedy selection is not what grows here
    selected = ["--strategy", "k_center", "--budget", str(share), "--out", str(folder / "out" / "chosen.parquet")]
    evaluated = ["--checkpoint", str(checkpoint), "--data", str(file), "--out", str(folder / "out" / "evaluated")]
    return {
        "read": [*python, _READ.format(file=str(file))],
        "near copies": [*python, _NEAR_COPIES.format(file=str(file))],
        "split": [*python, _SPLIT.format(file=str(file))],
        _ALONE: [*_TITHE, "describe", str(file)],
        "select": [*_TITHE, "select", str(file), *encoder, *selected],
        "predict": [*_TITHE, "predict", str(checkpoint), "-i", str(file), "-o", str(folder / "out" / "labels.parquet")],
        "evaluate": [*_TITHE, "evaluate", *evaluated],
    }


def _checkpoint(folder: Path) -> Path:
    """Train a tiny classifier; what is measured depends on the rows, and not on the weights."""
    write(folder / "train.parquet", 300)
    _write_encoder(folder / "encoder")
    settings = {
        "name": "tiny",
        "data": {"path": str(folder / "train.parquet")},
        "model": {"encoder": str(folder / "encoder"), "freeze": "all", "max_length": 16},
        "train": {"epochs": 1, "device": "cpu"},
        "out": str(folder / "run"),
    }
    return Path(pipeline.train(config.parse(settings)).home)


def _write_encoder(folder: Path) -> None:
    """Write a BERT of one layer and 32 dimensions whose tokens are the words: most of the work is not the encoder's."""
    words = ["[PAD]", "[UNK]", *vocabulary()]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)


def _measured(command: list[str], cache: Path, out: Path) -> Measured:
    out.mkdir(exist_ok=True)
    before, begun, peak = _bytes(cache, out), time.monotonic(), 0.0
    environment = {**os.environ, "TITHE_CACHE": str(cache), "TITHE_CACHE_GB": "100"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        while process.poll() is None:
            peak = max(peak, private_memory(process.pid))
            time.sleep(0.02)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said.read()[-2000:]}")
    return Measured(time.monotonic() - begun, peak, (_bytes(cache, out) - before) / 1e6)


def _bytes(*folders: Path) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
