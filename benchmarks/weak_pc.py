"""Memory of the profiles for weak PCs, with an encoder of mmBERT-base's size and a tokenizer of its vocabulary.

`max_length 256, batch_size 1, gradient_accumulation_steps 8`, with `freeze_backbone` and without, run by the documented
command in a process of its own and measured from outside. The weights are random: memory does not depend on their
values. It is measured in float32, in which the profile trains on PCs without bf16, whatever this machine has.
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
from pathlib import Path

import numpy as np
from common import publish, stamp

PROJECT = Path(__file__).resolve().parents[1] / "recipes" / "finetune_pipeline"
VOCABULARY = 256_000
GROUP = Path("/sys/fs/cgroup/memory/tithe-benchmark")  # a cgroup of version 1, where supported

# Ways of training all weights.
WAYS = {
    "all words": ["model.trim_vocabulary=false"],
    "words of the data": [],
    "words of the data, layers computed again": ["train.checkpoint_activations=true"],
    "LoRA of rank 8": ["model.lora.rank=8"],
}


def _set(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def make_encoder(folder: Path, words: int = VOCABULARY) -> int:
    """Write a ModernBERT-base with random weights, of so many words; return the number of its parameters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    known = [f"слово{i}" for i in range(words - len(special))]
    vocabulary = {word: i for i, word in enumerate([*special, *known])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name.strip('[]').lower()}_token": name for name in special}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    config = ModernBertConfig(
        vocab_size=words,
        hidden_size=768,
        intermediate_size=1152,
        num_hidden_layers=22,
        num_attention_heads=12,
        max_position_embeddings=8192,
        **{"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    )
    torch.manual_seed(0)
    model = ModernBertModel(config)
    model.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


def make_texts(folder: Path, rows: int) -> int:
    """Write raw parts of texts that fill the 256 tokens; return the number of their words, cut ones included."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    records = [
        {"input": " ".join(f"слово{i}" for i in rng.integers(0, VOCABULARY - 5, 300)), "output": f"класс {row % 6}"}
        for row in range(rows)
    ]
    (folder / "part.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return len({word for record in records for word in record["input"].split()})


def watch(command: list[str], folder: Path, limit: int | None) -> dict[str, float]:
    """Run a command; return its seconds and the peaks of its memory in MB: private, and with mapped files."""
    environment = {**os.environ, "TITHE_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    begun, private, whole = time.monotonic(), 0, 0
    log = folder / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
    if limit:
        (GROUP / "cgroup.procs").write_text(str(process.pid))
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        sizes = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.endswith(" kB")}
        private = max(private, int(sizes.get("RssAnon", 0)))
        whole = max(whole, int(sizes.get("VmHWM", 0)))
        time.sleep(0.02)
    if process.wait():
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return {"seconds": time.monotonic() - begun, "private": private / 1024, "whole": whole / 1024}


def limited(megabytes: int) -> bool:
    """Create a cgroup with a memory limit, page cache included; return whether that was possible."""
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.limit_in_bytes").write_text(str(megabytes << 20))
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")  # pages are charged to the group that reads them first
    except OSError:
        return False
    return True


def main() -> None:
    """Prepare, train once without a limit and once under a hard limit, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--limit", type=int, default=1536, help="hard limit of the second run, in MB")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("scripts", "src", "configs"):
            shutil.copytree(PROJECT / part, folder / "finetune_pipeline" / part)
        parameters = make_encoder(folder / "encoder")
        words = make_texts(folder / "finetune_pipeline/data/raw", arguments.rows)
        watch([sys.executable, "finetune_pipeline/scripts/preprocess_data.py"], folder, None)
        settings = _set("paths.base_model_dir=encoder", "training.mixed_precision=no")
        train = [sys.executable, "finetune_pipeline/scripts/train.py", *settings]
        free = watch(train, folder, None)
        shutil.rmtree(folder / "cache")
        held = watch(train, folder, arguments.limit) if limited(arguments.limit) else None
        train[2:2] = ["--config", "finetune_pipeline/configs/experiment_d_full_finetune.json"]
        trained = {name: watch([*train, *_set("training.epochs=1", *how)], folder, None) for name, how in WAYS.items()}
    lines = [
        "# The safe profile for weak PCs: memory",
        "",
        stamp(),
        "",
        f"Encoder of {parameters / 1e6:.0f} M parameters in float32 (mmBERT-base's sizes), vocabulary of "
        f"{VOCABULARY:,}, {arguments.rows} texts of 256 tokens, `configs/train_config.json` in float32.",
        "",
        "| run | peak of private memory | peak with mapped files | seconds |",
        "|---|---|---|---|",
        f"| free | {free['private']:.0f} MB | {free['whole']:.0f} MB | {free['seconds']:.0f} |",
    ]
    if held:
        limit = f"hard limit of {arguments.limit} MB, page cache included"
        lines.append(f"| {limit} | {held['private']:.0f} MB | {held['whole']:.0f} MB | {held['seconds']:.0f} |")
    lines += [
        f"| all weights, one epoch, {name} | {row['private']:.0f} MB | {row['whole']:.0f} MB | {row['seconds']:.0f} |"
        for name, row in trained.items()
    ]
    lines += [
        "",
        f"The texts have {words:,} of the words.",
        "",
        "The weights are mapped from their file, not read into memory: those pages count in the second column while "
        "there is room, and the system drops them when there is none.",
    ]
    publish("weak_pc", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
