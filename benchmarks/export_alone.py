"""Whether an export answers like `tithe predict` where tithe is not installed.

A head on frozen MiniLM is trained on reviews and exported; a Python without tithe, in an empty environment, opens the
folder and classifies 1,000 rows: with transformers by `pipeline`, the graph with onnxruntime and tokenizers.

    python3 -m venv alone && alone/bin/pip install torch transformers tokenizers onnxruntime
    .venv/bin/python benchmarks/export_alone.py alone/bin/python
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import dataset, publish, stamp

from tithe import config, data, pipeline
from tithe.export import Request, export
from tithe.predict import load

ROWS = 1000
START = """import importlib.util, json, sys
assert importlib.util.find_spec("tithe") is None, "tithe is installed here"
folder, trust, texts, found = sys.argv[1], sys.argv[2] != "native", json.load(sys.stdin), []
"""
ASK = {
    "huggingface": """from transformers import pipeline
classify = pipeline("text-classification", model=folder, trust_remote_code=trust, device="cpu")
found = [{a["label"]: a["score"] for a in row} for row in classify(texts, truncation=True, batch_size=32, top_k=None)]
""",
    "onnx": """import numpy, onnxruntime
from tokenizers import Tokenizer
session = onnxruntime.InferenceSession(folder + "/model.onnx")
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.enable_truncation(json.load(open(folder + "/tokenizer_config.json"))["model_max_length"])
tokenizer.enable_padding()
names = json.load(open(folder + "/config.json"))["id2label"]
for start in range(0, len(texts), 32):
    encoded = tokenizer.encode_batch(texts[start : start + 32])
    ids, masks = ([getattr(row, name) for row in encoded] for name in ("ids", "attention_mask"))
    inputs = {"input_ids": numpy.array(ids), "attention_mask": numpy.array(masks)}
    powers = numpy.exp(session.run(None, inputs)[0].astype("float64"))
    found += [{names[str(i)]: p for i, p in enumerate(row)} for row in (powers / powers.sum(1, keepdims=True)).tolist()]
assert not {"torch", "transformers"} & sys.modules.keys()
""",
}


def asked(to: str, head: str, folder: Path, texts: list[str]) -> list[dict[str, float]]:
    """Return the probabilities of each text, as another Python gets them from an export."""
    command = [str(Path(sys.argv[1]).absolute()), "-I", "-c", f"{START}{ASK[to]}print(json.dumps(found))", folder, head]
    own = {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{folder}.home", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}
    child = subprocess.run(command, input=json.dumps(texts), stdout=subprocess.PIPE, text=True, env=own, check=True)
    answers: list[dict[str, float]] = json.loads(child.stdout.splitlines()[-1])
    return answers


def main() -> None:
    """Train each head, export it to each format, ask, publish."""
    logging.disable(logging.WARNING)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for head in ("native", "mlp"):
            raw = {
                "out": f"{folder}/{head}",
                "data": {"path": str(dataset("reviews"))},
                "model": {"head": head, "freeze": "all", "max_length": 64},
                "train": {"epochs": 3, "batch_size": 64, "learning_rate": 1e-3, "device": "cpu"},
                "track": {"tensorboard": False},
            }
            run = config.parse(raw)
            home, texts = pipeline.train(run).home, data.ingest(run.data)[0].inputs(0, ROWS)
            trained = load(home, "cpu")
            expected = {exact: trained.predict(texts, exact=exact) for exact in (True, False)}
            for to in ASK:
                out = Path(folder) / f"{head}-{to}"
                cells = [head, to, f"{export(home, Request(to, count=200), out)['temperature']:.3f}"]
                found = asked(to, head, out, texts)
                for given in expected.values():
                    pairs = list(zip(found, given, strict=True))
                    apart = max(abs(f[name] - p) for f, g in pairs for name, p in g.probabilities.items())
                    equal = np.mean([max(f, key=f.__getitem__) == g.label for f, g in pairs])
                    cells += [f"{equal:.2%}", f"{apart:.1g}"]
                table.append(f"| {' | '.join(cells)} |\n")
                print(table[-1], end="", flush=True)
    publish(
        "export_alone",
        f"# Exports without tithe, on `reviews`\n\n{stamp()}\n\n{ROWS:,} rows, classified by an environment "
        "without tithe, and by `tithe predict`: equal labels, and the largest difference of a probability. "
        "`tithe predict` may compute in bf16, with `--exact` it is in float32.\n\n"
        "| head | format | temperature | labels of `--exact` | difference | labels of `tithe predict` | difference |\n"
        f"|---|---|---|---|---|---|---|\n{''.join(table)}",
    )


if __name__ == "__main__":
    main()
