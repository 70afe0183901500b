"""Merge `data/raw/*.json` into `data/combined_processed/`: `python finetune_pipeline/scripts/preprocess_data.py`."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from src.data.preprocessor import preprocess  # noqa: E402

if __name__ == "__main__":
    preprocess(sys.argv[1:])
