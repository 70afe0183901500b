"""Results of a suite's trials, as `trials.run` returns them."""

from __future__ import annotations

from typing import Any


def trial(strategy: str, seed: int, accuracy: float, budget: float = 0.1, **more: Any) -> dict[str, Any]:
    return {
        **{"strategy": strategy, "budget": budget, "seed": seed, "rows": 10, "steps": 5, "worst_class_accuracy": 0.5},
        **{"test": {"accuracy": accuracy, "f1": accuracy}, "train_seconds": 1.0},
        **{"selection_seconds": {"signals": 1.0, "choice": 0.5}, **more},
    }
