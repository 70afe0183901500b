"""The Python that the README shows is what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT
from support.texts import make_texts, write_rows


def test_the_python_of_the_readme_runs(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(json.dumps(settings(out="runs/first")), encoding="utf-8")
    for name in ("rows", "other"):
        write_rows(tmp_path / f"{name}.parquet", *make_texts(20))
    names: dict[str, Any] = {"frame": {"text": ["goal team win"]}}
    exec(code, names)
    assert names["model"].predict(["goal team win"])[0].label in ("sport", "space")
