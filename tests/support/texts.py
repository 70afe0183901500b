"""Generated texts whose topic shows in half of their words, as lists and as Parquet files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TOPICS = {
    "sport": ["match", "goal", "team", "win", "league", "player", "coach", "score", "season", "cup"],
    "space": ["orbit", "rocket", "moon", "launch", "star", "planet", "probe", "crater", "comet", "lander"],
    "кухня": ["суп", "хлеб", "рецепт", "соль", "варить", "масло", "печь", "тесто", "сыр", "лук"],
}
FILLER = ["the", "a", "of", "and", "to", "in", "on", "with", "for", "it", "is", "was", "new", "old", "very"]


def make_texts(per_class: int, classes: int = 2, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return distinct texts of 3 to 14 words, topics recognisable from half of their words, and their labels."""
    rng = np.random.default_rng(seed)
    texts: dict[str, str] = {}
    for label in list(TOPICS)[:classes]:
        while sum(name == label for name in texts.values()) < per_class:
            words = [
                str(rng.choice(TOPICS[label] if rng.random() < 0.5 else FILLER)) for _ in range(rng.integers(3, 15))
            ]
            texts.setdefault(" ".join(words), label)
    order = rng.permutation(len(texts))
    pairs = list(texts.items())
    return [pairs[i][0] for i in order], [pairs[i][1] for i in order]


def write_rows(path: Path, texts: list[object], labels: list[object]) -> Path:
    pq.write_table(pa.table({"text": texts, "label": labels}), path)
    return path
