"""Train on the merged data: `python finetune_pipeline/scripts/train.py [--config CONFIG]`."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from src.training.run import train  # noqa: E402

if __name__ == "__main__":
    train(sys.argv[1:])
