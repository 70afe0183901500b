"""The table of all strategies: `python -m data_efficiency.results all random k_center`."""

import csv
import sys
from pathlib import Path

METRICS = {"Accuracy": "accuracy", "F1-macro": "f1", "F1-weighted": "f1_weighted"}
METRICS |= {"AUC-ROC": "auc_roc", "AUC-PR": "auc_pr"}


def main() -> None:
    """Write one table per split with the metrics of the named evaluations, the best accuracy first."""
    evaluations = {name: read(Path("artifacts") / name / "metrics.csv") for name in sys.argv[1:]}
    page = "\n\n".join(table(evaluations, part, title) for part, title in (("test", "Test"), ("validation", "Val")))
    Path("artifacts/results.md").write_text(page + "\n", encoding="utf-8")
    print(page)


def read(file: Path) -> dict[str, dict[str, str]]:
    """Return the metrics of one evaluation by split."""
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["part"]: row for row in csv.DictReader(rows)}


def table(evaluations: dict[str, dict[str, dict[str, str]]], part: str, title: str) -> str:
    """Return a Markdown table with one line per run."""
    order = sorted(evaluations, key=lambda name: -float(evaluations[name][part]["accuracy"]))
    grid = [["Strategy", *(f"{title} {metric}" for metric in METRICS)]]
    grid += [[name, *(f"{float(evaluations[name][part][key]):.3f}" for key in METRICS.values())] for name in order]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    grid.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in grid)
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    main()
