"""Temperature scaling: one number that makes a classifier's probabilities mean what they say (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError

_LARGEST_LOG = 5.0  # temperatures from 1/148 to 148: beyond, all probabilities are equal, or 0 and 1


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by before the softmax: above 1 the network is too sure of itself.

    Attributes
    ----------
    temperature
        Positive; the order of the classes does not depend on it.
    rows
        Number of validation rows that it was fitted on.
    """

    temperature: float
    rows: int

    @classmethod
    def fit(cls, labels_N: Array, logits_NC: Array) -> Temperature:
        """Return the temperature with the least mean cross-entropy.

        Every target keeps the share 1/(N + 2) for the other classes, as in Platt (1999): N rows that are all right
        would otherwise make every probability 1.

        Parameters
        ----------
        labels_N
            Class indices of validation rows, at least one.
        logits_NC
            The network's outputs for them.
        """
        from scipy.optimize import minimize_scalar

        logits_NC = logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True)
        rows, classes = logits_NC.shape
        of_label_N = logits_NC[np.arange(rows), labels_N]
        share = 1 / (rows + 2)
        of_others_N = (logits_NC.sum(axis=1) - of_label_N) / max(classes - 1, 1)
        target = float(((1 - share) * of_label_N + share * of_others_N).mean())

        def loss(log_inverse: float) -> float:  # convex in the inverse, so with a single minimum
            inverse = math.exp(log_inverse)
            return float(np.log(np.exp(inverse * logits_NC).sum(axis=1)).mean()) - inverse * target

        found = minimize_scalar(loss, bounds=(-_LARGEST_LOG, _LARGEST_LOG), method="bounded")
        return cls(math.exp(-found.x), rows)

    def apply(self, logits_NC: Array) -> Array:
        """Return the logits divided by the temperature, float64."""
        return np.asarray(logits_NC.astype(np.float64) / self.temperature)

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, float]) -> Temperature:
        """Rebuild a temperature from `to_dict`.

        Raises
        ------
        InputError
            It is not one.
        """
        value = saved.get("temperature")
        if saved.keys() != {"temperature", "rows"} or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise InputError(f"a saved temperature is a positive number with its rows, not {dict(saved)}")
        return cls(float(value), int(saved["rows"]))
