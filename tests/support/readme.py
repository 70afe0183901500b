"""Code that a README shows, taken out and run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tithe.predict import load


def run_snippet(readme: Path, contains: str, replaced: dict[str, str]) -> dict[str, Any]:
    """Run the one Python block of a README that contains some text, paths replaced; return its variables."""
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if contains in block]
    for shown, real in replaced.items():
        assert code.count(shown) == 1, f"{readme} does not show {shown}"
        code = code.replace(shown, real)
    variables: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):  # models are built by the global generator
        exec(code, variables)
    return variables


def assert_rebuilds(readme: Path, shown: str, run: Path, checkpoint: Path) -> None:
    """Assert that the snippet gives, without tithe, the logits that tithe gives for the same texts."""
    words = '"goal team", "суп goal orbit rocket goal"'  # of the tiny tokenizers
    texts = {'"a text", "another, longer text"': words}
    found = run_snippet(readme, "AutoModel", {f'"{shown}"': repr(str(run)), **texts})
    model = load(checkpoint).exactly()
    expected_NC = model.outputs(model.task.examples(found["texts"]), 1)
    np.testing.assert_allclose(found["logits"].numpy(), expected_NC, rtol=0, atol=1e-5)
