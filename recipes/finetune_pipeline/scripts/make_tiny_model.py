"""Make a small ModernBERT with random weights: `python finetune_pipeline/scripts/make_tiny_model.py`.

It is of the same class as mmBERT-base and takes seconds instead of hours, but it is untrained: use it to run the
complete pipeline on a slow machine, not to estimate how well a frozen mmBERT would do.
"""

import argparse
from pathlib import Path

from tithe.cli.options import quiet_libraries
from tithe.data.json_stream import values
from tithe.models import tiny

PROJECT = Path(__file__).resolve().parents[1]
TINY = "base_models/tiny-ModernBERT"


def main() -> None:
    """Train a tokenizer on the merged data set, draw the weights, write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=PROJECT / "data/combined_processed/combined_dataset.json")
    parser.add_argument("--out", type=Path, default=PROJECT / TINY)
    parser.add_argument("--hidden-size", type=int, default=128, help="a multiple of 32")
    parser.add_argument("--layers", type=int, default=4)
    arguments = parser.parse_args()
    if not arguments.dataset.is_file():
        parser.error(f"no {arguments.dataset}: run preprocess_data.py first, or pass --dataset")
    texts = (record["input"] for record in values(arguments.dataset))
    with quiet_libraries():
        parameters = tiny.modernbert(arguments.out, texts, arguments.hidden_size, arguments.layers)
    print(f"{arguments.out}: ModernBERT with {parameters / 1e6:.1f} M random parameters")
    print(f"use it: --set paths.base_model_dir={arguments.out}")


if __name__ == "__main__":
    main()
