"""Raw parts of JSON records, and what a merge makes of them."""

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]
OUTPUTS = ["combined_dataset.json", "combined_dataset.parquet", "output_to_symbol.json", "prepare_report.json"]


def write_part(path: Path, rows: list[Any], lines: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) if lines else json.dumps(rows, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def rows(*pairs: tuple[str, Any]) -> list[Record]:
    return [{"input": text, "output": label} for text, label in pairs]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def merged_rows(out: Path) -> list[tuple[str, str]]:
    return [(record["input"], record["output"]) for record in read(out / "combined_dataset.json")]


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
