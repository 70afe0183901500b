"""Do the words that `tithe predict --explain` names decide? Leave the strongest fifth out and see what is left.

A head is trained on frozen MiniLM features of a data set. On test texts of at least ten words, the words are ranked by
what each is found to contribute, by four ways of leaving a word out, and at random; then the highest fifth of each
ranking is left out, in each of these ways, and the fall of the log-odds of the predicted class is averaged. A way that
is judged by itself has an advantage: compare columns, too.
"""

from __future__ import annotations

import argparse
import logging
import tempfile

import numpy as np
from common import dataset, publish, stamp

from tithe import config, pipeline
from tithe.evaluate.checkpoint import own_splits
from tithe.predict import TrainedModel, load
from tithe.predict.occlusion import _WORD, _margins

LEAST_WORDS, SHARE = 10, 0.2
Spans = list[tuple[int, int]]


def trained(name: str, folder: str) -> TrainedModel:
    """Return a head on frozen MiniLM."""
    raw = {
        "out": f"{folder}/run",
        "data": {"path": str(dataset(name))},
        "model": {"max_length": 128, "freeze": "all"},
        "train": {"epochs": 10, "batch_size": 32, "learning_rate": 1e-3, "device": "cpu"},
        "track": {"tensorboard": False},
    }
    return load(pipeline.train(config.parse(raw)).home, "cpu")


def without(text: str, spans: Spans, instead: str) -> str:
    """Return the text with something else, or nothing, in place of words."""
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + instead + text[end:]
    return text


def margins(model: TrainedModel, texts: list[str], classes_N: np.ndarray) -> np.ndarray:
    """Return the log-odds of classes, shape (N,)."""
    return _margins(model.outputs(model.task.examples(texts)), classes_N)


def contributions(
    model: TrainedModel, texts: list[str], words: list[Spans], classes_N: np.ndarray, instead: str
) -> list[np.ndarray]:
    """Return how much the log-odds fall without each word of each text."""
    rows = np.repeat(np.arange(len(texts)), list(map(len, words)))
    copies = [without(text, [span], instead) for text, spans in zip(texts, words, strict=True) for span in spans]
    falls = margins(model, texts, classes_N)[rows] - margins(model, copies, classes_N[rows])
    return np.split(falls, np.cumsum(list(map(len, words)))[:-1])


def main() -> None:
    """Train, rank, leave out, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="reviews")
    parser.add_argument("--texts", type=int, default=300)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        model = trained(arguments.set, folder)
        splits, rng = own_splits(model, ""), np.random.default_rng(0)
        held_out = splits.rows.take(rng.permutation(splits.test)).inputs()
        texts = [text for text in held_out if len(_WORD.findall(text)) >= LEAST_WORDS][: arguments.texts]
        words = [[match.span() for match in _WORD.finditer(text)] for text in texts]
        classes_N = model.outputs(model.task.examples(texts)).argmax(axis=1)
        tokenizer = model.task.tokenizer
        ways = {
            "deleted": "",
            "[MASK]": tokenizer.mask_token,
            "[UNK]": tokenizer.unk_token,
            "[PAD]": tokenizer.pad_token,
        }
        rankings = {name: contributions(model, texts, words, classes_N, instead) for name, instead in ways.items()}
        rankings["random"] = [rng.random(len(spans)) for spans in words]
        whole_N = margins(model, texts, classes_N)
        lines = []
        for ranked_by, falls in rankings.items():
            highest = [
                [spans[place] for place in np.argsort(-fall)[: max(1, round(SHARE * len(spans)))]]
                for spans, fall in zip(words, falls, strict=True)
            ]
            cells = []
            for instead in ways.values():
                left = [without(text, spans, instead) for text, spans in zip(texts, highest, strict=True)]
                fall_N = whole_N - margins(model, left, classes_N)
                cells.append(f"{fall_N.mean():.2f} ({np.mean(fall_N > whole_N):.0%})")
            lines.append(f"| {ranked_by} | {' | '.join(cells)} |")
    page = [
        f"# Words that decided, on `{arguments.set}`",
        "",
        stamp(),
        "",
        f"{len(texts)} test texts of at least {LEAST_WORDS} words, a head on frozen MiniLM. Mean fall of the log-odds "
        f"of the predicted class without the {SHARE:.0%} of the words that are ranked highest, and how often the class "
        "changes. Rows: how a word is left out to rank it. Columns: how the highest are left out. What tithe does is "
        "`deleted`.",
        "",
        f"| ranked by | {' | '.join(ways)} |",
        f"|---|{'---|' * len(ways)}",
        *lines,
        "",
        f"Mean log-odds of the whole texts: {whole_N.mean():.2f}; {np.mean(list(map(len, words))):.0f} words a text.",
    ]
    publish("explain", "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
