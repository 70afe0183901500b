"""What an audit found, as plain data: the content of `audit.json`, and of the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tithe import config
from tithe.audit.copies import Copies, Copy
from tithe.audit.gain import Gain
from tithe.audit.rows import AuditRows
from tithe.audit.suspects import FLIPPED, Suspects, Trial
from tithe.audit.words import GivenAway

MOST = 200  # suspects in the JSON and on the page
_GOOD, _FAIR = 0.6, 0.5  # precision of all hints of the trial, and of the first ones


@dataclass(frozen=True)
class Findings:
    """What was found in the rows, by kind."""

    suspects: Suspects
    trial: Trial
    copies: Copies
    words: GivenAway
    languages: dict[str, Any]
    lengths: dict[str, Any]
    gain: Gain


def facts(run: config.Run, rows: AuditRows, findings: Findings) -> dict[str, Any]:
    """Return the content of `audit.json`: JSON values alone, of a size that does not grow with the rows."""
    report, names = rows.splits.report, [str(name) for name in rows.labels.names]
    return {
        "data": {
            **{key: report[key] for key in ("file", "rows_read", "rows_kept", "dropped", "words", "alike_classes")},
            "corrections": report.get("corrections"),
            "rows_sha256": report["rows_sha256"],
        },
        "encoder": run.model.encoder,
        "embeddings": run.data.embeddings,
        "seed": run.seed,
        "labels": _labels(rows, findings, names),
        "classes": _classes(rows, findings, names),
        "copies": _copies(findings.copies),
        "lengths": findings.lengths,
        "languages": findings.languages,
        "words": {
            **findings.words._asdict(),
            "words": [_named(word._asdict(), names) for word in findings.words.words],
        },
        "baseline": _baseline(findings.gain),
        "learning_curve": _curve(findings.gain),
    }


def _labels(rows: AuditRows, findings: Findings, names: list[str]) -> dict[str, Any]:
    s = findings.suspects
    shown = s.rows[:MOST]
    ids = rows.data.ids[shown].tolist()
    own = (array[:MOST].tolist() for array in (s.suggested, s.self_confidence, s.probability))
    values = zip(ids, rows.data.labels[shown].tolist(), *own, strict=True)
    return {
        "hints": len(s.rows),
        "share": len(s.rows) / len(rows.data),
        "estimated_noise": s.noise,
        "accuracy_out_of_fold": s.accuracy,
        "trial": {"flipped_share": FLIPPED, **findings.trial._asdict()},
        "reliability": reliability(findings.trial),
        "suspects": [
            {"row": row, "label": names[label], "suggested": names[other], "self_confidence": _round(own_share),
             "probability": _round(share)}
            for row, label, other, own_share, share in values
        ],
    }  # fmt: skip


def reliability(trial: Trial) -> str:
    """Return how far to trust hints: `good`, `fair` for the first ones, or `poor`, by the trial."""
    return "good" if trial.precision >= _GOOD else "fair" if trial.first >= _FAIR else "poor"


def _classes(rows: AuditRows, findings: Findings, names: list[str]) -> list[dict[str, Any]]:
    labels_N, s = rows.data.labels, findings.suspects
    count_C = np.bincount(labels_N, minlength=len(names))
    hints_C = np.bincount(labels_N[s.rows], minlength=len(names))
    tokens_C = [np.median(rows.uncut[labels_N == c]) for c in range(len(names))]
    return [
        {"class": name, "rows": int(count_C[c]), "share": _round(count_C[c] / len(labels_N)),
         "hints": int(hints_C[c]), "estimated_noise": _round(s.noise_of_class[c]), "median_tokens": int(tokens_C[c])}
        for c, name in enumerate(names)
    ]  # fmt: skip


def _copies(copies: Copies) -> dict[str, Any]:
    return {
        "dropped": copies.dropped,
        "conflicts": [_group(group) for group in copies.conflicts],
        "near": copies.near,
        "near_conflicts": [_group(group) for group in copies.near_conflicts],
    }


def _group(group: list[Copy]) -> list[dict[str, Any]]:
    return [{"row": each.row, "label": each.label} for each in group]


def _named(word: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {**word, "label": names[word["label"]]}


def _baseline(gain: Gain) -> dict[str, Any]:
    return {
        "trained_on": gain.trained,
        "judged_on": gain.judged,
        "readers": {name: scores._asdict() for name, scores in gain.readers.items()},
        "lead_of_encoder": {**gain.lead._asdict(), "beyond_chance": gain.lead.beyond_chance},
    }


def _curve(gain: Gain) -> dict[str, Any]:
    points = [dict(zip(("rows", "accuracy", "low", "high"), point, strict=True)) for point in gain.curve]
    doubled = gain.doubled
    keys = ("now", "after", "gain")
    return {
        "points": points,
        "rows_doubled": doubled and {"more_rows": doubled.rows, **{key: asdict(getattr(doubled, key)) for key in keys}},
    }


def _round(value: float) -> float:
    return round(float(value), 4)
