"""The Python of docs/python.md runs from top to bottom, and its results are what the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from support.paths import ROOT
from support.texts import make_texts, write_rows

CODE = "".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text("utf-8"), re.M | re.S))


def test_the_python_of_the_guide_runs(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts, labels = make_texts(20)
    for name in ("rows", "other"):
        write_rows(tmp_path / f"{name}.parquet", texts, labels)
    names: dict[str, Any] = {"texts": texts, "labels": labels, "frame": pd.DataFrame({"text": texts})}
    # The encoder of the tests in place of the one that the guide names; `select` takes it as an argument.
    code = CODE.replace('"minilm"', repr(str(tiny_bert)))
    code = code.replace("budget=0.1)", f"budget=0.1, encoder={str(tiny_bert)!r}, max_length=32)")
    code = code.replace('"freeze": "all"}', '"freeze": "all", "max_length": 32}')
    code = code.replace("TitheClassifier(", "TitheClassifier(max_length=32, encoder=").replace("cv=3", "cv=2")
    exec(code, names)
    assert {answer.label for answer in names["answers"]} <= {"sport", "space"} and len(names["picks"].ids) == 4
    assert names["model"].predict_proba(texts).shape == (40, 2) and names["model"].embed(texts).shape == (40, 32)
    assert names["explanation"].text == "what a match" and names["classifier"].classes_.tolist() == ["space", "sport"]
