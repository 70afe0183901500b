"""The rows on which a person decides, as the page's script reads them: a bounded number, each text cut for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tithe import storage
from tithe.audit.copies import Copy
from tithe.audit.facts import MOST, Findings
from tithe.audit.rows import AuditRows
from tithe.data.text.corrections import Correction, Corrections, text_sha256
from tithe.report.words import Phrase, say

_READ = 2000  # characters of a text that the page shows

Item = dict[str, Any]


def review(rows: AuditRows, findings: Findings, earlier: Corrections | None) -> dict[str, Any]:
    """Return the items on which to decide, the classes, what the script says, and the corrections so far.

    Rows that were decided on before are left out.
    """
    names, done = [str(name) for name in rows.labels.names], earlier.of_row if earlier else {}
    near = [*_groups("near", findings.copies.near_conflicts)]
    once = {row["row"] for item in near for row in item["rows"]}  # a suspect among near copies is decided on with them
    suspects = (item for item in _suspects(rows, findings, names) if item["rows"][0]["row"] not in once)
    every = [*_groups("conflict", findings.copies.conflicts), *suspects, *near]
    items = [item for item in every if not any(row["row"] in done for row in item["rows"])]
    entries = [_entry(row, correction) for row, correction in sorted(done.items())]
    key = storage.digest([rows.splits.report["rows_sha256"], entries, [item["rows"] for item in items]])[:16]
    words = {name: phrase.patterns for name, phrase in _words().items()}
    return {"key": key, "classes": names, "items": items, "earlier": entries, "words": words}


def _suspects(rows: AuditRows, findings: Findings, names: Sequence[str]) -> Iterator[Item]:
    s = findings.suspects
    own = rows.data.take(s.rows[:MOST])
    copies = zip(own.ids.tolist(), own.inputs(), (names[label] for label in own.labels), strict=True)
    for place, copy in enumerate(map(Copy._make, copies)):
        suggested = {"label": names[s.suggested[place]], "probability": round(float(s.probability[place]), 4)}
        yield {
            **_item("suspect", [copy], [suggested]),
            "self_confidence": round(float(s.self_confidence[place]), 4),
        }


def _groups(kind: str, groups: Sequence[Sequence[Copy]]) -> Iterator[Item]:
    for group in groups:
        labels = dict.fromkeys(copy.label for copy in group)
        yield _item(kind, group, [{"label": label, "probability": None} for label in labels])


def _item(kind: str, copies: Sequence[Copy], suggested: list[Item]) -> Item:
    texts = dict.fromkeys(copy.text for copy in copies)
    return {
        "kind": kind,
        "rows": [{"row": c.row, "text_sha256": text_sha256(c.text), "label": c.label} for c in copies],
        "texts": [text if len(text) <= _READ else f"{text[:_READ]} …" for text in texts],
        "labels": [*dict.fromkeys(copy.label for copy in copies)],
        "suggested": suggested,
    }


def _entry(row: int, correction: Correction) -> Item:
    what = {"drop": True} if correction.label is None else {"label": correction.label}
    return {"row": row, "text_sha256": correction.text_sha256, **what}


def _words() -> dict[str, Phrase]:
    return {
        "place": say("{place} of {total}"),
        "done": say("{count} of {total} decided."),
        "right": say("labels are right"),
        "leave": say("leave out"),
        "suspect": say("Label: {labels}, probability {share}."),
        "conflict": say("One text, labels: {labels}."),
        "near": say("Near copies, labels: {labels}."),
    }
