"""A file larger than one wants in memory through `tithe predict`: its memory, and its bytes after two kills.

A tiny model is enough: what is shown depends on the rows, and not on the weights. It is killed when a third of the
predictions is kept, and when all are and the file is being written.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import publish, stamp

from tithe import config, pipeline, storage
from tithe.models import tiny

WORDS = np.array([f"word{i}" for i in range(2000)])


def main() -> None:
    """Write a file, predict it once in one go and once with two kills, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--kinds", default="parquet,csv", help="formats of the file, separated by commas")
    asked = parser.parse_args()
    page = ["# A large file through `tithe predict`", "", stamp(), ""]
    memory = "peak memory, MB | of a tenth of the rows, MB"
    page += [f"| rows | format | seconds | rows a second | {memory} | killed twice: bytes |"]
    page += ["|---|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = _train(folder)
        for kind in asked.kinds.split(","):
            page.append(_line(folder, checkpoint, kind, asked.rows))
    publish("predict_large", "\n".join(page) + "\n")


def _train(folder: Path) -> Path:
    _write(folder / "train.parquet", 200)
    tiny.modernbert(folder / "encoder", iter(WORDS.tolist()), hidden_size=32, layers=1)
    settings = {
        "name": "tiny",
        "data": {"path": str(folder / "train.parquet")},
        "model": {"encoder": str(folder / "encoder"), "freeze": "all", "max_length": 16},
        "train": {"epochs": 1, "device": "cpu"},
        "out": str(folder / "run"),
    }
    return Path(pipeline.train(config.parse(settings)).home)


def _line(folder: Path, checkpoint: Path, kind: str, rows: int) -> str:
    tenth, source = folder / f"tenth.{kind}", folder / f"rows.{kind}"
    _write(tenth, rows // 10)
    _write(source, rows)
    _, peak_of_tenth = _predict(checkpoint, tenth, folder / f"tenth_out.{kind}")
    seconds, peak = _predict(checkpoint, source, folder / f"whole.{kind}")
    killed = folder / f"killed.{kind}"
    for share in (1 / 3, 1.0):
        _predict(checkpoint, source, killed, kill_at=int(share * rows))
    _predict(checkpoint, source, killed)
    same = storage.sha256_file(killed) == storage.sha256_file(folder / f"whole.{kind}")
    for file in (tenth, source, killed, folder / f"tenth_out.{kind}", folder / f"whole.{kind}"):
        file.unlink()
    bytes_are = "equal" if same else "DIFFER"
    return (
        f"| {rows} | {kind} | {seconds:.0f} | {rows / seconds:.0f} | {peak:.0f} | {peak_of_tenth:.0f} | {bytes_are} |"
    )


def _predict(checkpoint: Path, source: Path, output: Path, kill_at: int | None = None) -> tuple[float, float]:
    """Run the command; return its seconds and its peak of private memory in MB.

    With `kill_at` it is killed when so many predictions are kept.
    """
    command = [sys.executable, "-m", "tithe", "predict", str(checkpoint), "-i", str(source), "-o", str(output)]
    begun, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        if kill_at is not None and _kept(output) >= kill_at:
            process.send_signal(signal.SIGKILL)
        peak = max(peak, _private(process.pid))
        time.sleep(0.1)
    said = process.stderr.read() if process.stderr else ""
    if process.returncode != (0 if kill_at is None else -signal.SIGKILL):
        raise SystemExit(f"{source.name} ended with {process.returncode}: {said}")
    print(
        source.name, f"{time.monotonic() - begun:.0f} s", "killed" if process.returncode else said.strip(), flush=True
    )
    return time.monotonic() - begun, peak


def _kept(output: Path) -> int:
    done = output.with_name(f".{output.name}.unfinished") / "done.json"
    return int((storage.read_sealed(done) or {}).get("count", 0))


def _private(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0.0)


def _write(path: Path, rows: int) -> None:
    """Write rows with an id, a text of six words, and a label; in both formats the same."""
    rng, schema = np.random.default_rng(0), pa.schema({"id": pa.int64(), "text": pa.string(), "label": pa.string()})
    with _writer(path, schema) as writer:
        for first in range(0, rows, 50_000):
            count = min(50_000, rows - first)
            texts = [" ".join(words) for words in WORDS[rng.integers(0, len(WORDS), (count, 6))]]
            labels = np.array(["no", "yes"])[rng.integers(0, 2, count)]
            writer.write_table(pa.table([pa.array(range(first, first + count)), texts, labels], schema=schema))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter | pa.csv.CSVWriter:
    import pyarrow.csv

    return pq.ParquetWriter(path, schema) if path.suffix == ".parquet" else pyarrow.csv.CSVWriter(path, schema)


if __name__ == "__main__":
    main()
