"""The Python that the README shows is what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.paths import ROOT


def test_the_python_of_the_readme_runs(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(json.dumps(settings()), encoding="utf-8")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["model"].predict(["goal team win"])[0].label in ("sport", "space")
