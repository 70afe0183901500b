"""Make raw parts from any labelled file: `python finetune_pipeline/scripts/make_raw_parts.py news.parquet`.

For trying the project without your own data; `tithe fetch reuters_r8` prints the path of an English news data set.
"""

import argparse
import json
from pathlib import Path

from tithe import config, data

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write the rows of a file as JSON parts of `{"input", "output"}` records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="Parquet, CSV or JSONL with a text column and a label column")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--out", type=Path, default=PROJECT / "data/raw")
    parser.add_argument("--per-part", type=int, default=5000, help="records per part")
    arguments = parser.parse_args()
    columns = {"text_column": arguments.text_column, "label_column": arguments.label_column}
    rows, labels, _ = data.ingest(config.Data(path=str(arguments.file), **columns))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rows), arguments.per_part):
        stop = min(start + arguments.per_part, len(rows))
        pairs = zip(rows.inputs(start, stop), rows.labels[start:stop], strict=True)
        records = [{"input": text, "output": str(labels.names[label])} for text, label in pairs]
        part = arguments.out / f"part_{start // arguments.per_part:03d}.json"
        part.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
        print(f"{len(records):>7}  {part}")


if __name__ == "__main__":
    main()
