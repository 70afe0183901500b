"""`tithe audit`: what is to know of labelled texts before training, on a page, as JSON, and as corrected rows."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tithe import config
from tithe.audit.copies import find_copies
from tithe.audit.discriminant import out_of_fold
from tithe.audit.facts import Findings, facts
from tithe.audit.files import AuditFiles
from tithe.audit.gain import measure
from tithe.audit.rows import AuditRows, open_rows
from tithe.audit.suspects import find_suspects, try_hints
from tithe.audit.texts import languages, lengths
from tithe.audit.words import given_away
from tithe.config.files import is_config_file
from tithe.data.text.corrections import corrections_of
from tithe.select.entry import file_config

logger = logging.getLogger("tithe")

_COMMAND = "tithe audit"
_MOST = 50  # groups of copies of each kind, and words


@dataclass(frozen=True)
class Audit:
    """An audit that was written.

    Attributes
    ----------
    facts
        The content of `audit.json`.
    files
        What was written, by what it is.
    """

    facts: dict[str, Any]
    files: dict[str, Path]


def audit(
    source: Path,
    of_file: Mapping[str, Any],
    overrides: Sequence[str],
    corrections: Path | None,
    out: Path,
) -> Audit:
    """Audit all rows of a labelled file or of a config's data, and write what was found.

    The same rows, settings and seed give the same findings.

    Parameters
    ----------
    source
        A data file, a folder of its parts or a pattern; or a config.
    of_file
        Settings of a data file; see `select.entry.FileOptions`.
    overrides
        Settings as `key=value`.
    corrections
        File of corrected labels; the rows are then audited as corrected, and written so too.
    out
        Folder for `audit.html`, `audit.json`, `suspects.parquet`, and with corrections `corrected.parquet`.

    Raises
    ------
    InputError
        The data, the config, the corrections or the folder are wrong.
    """
    given = [*overrides, *([f"data.corrections={json.dumps(str(corrections))}"] if corrections else [])]
    is_config = is_config_file(source)
    run = config.load(source, given) if is_config else file_config(source, of_file, given, _COMMAND)
    files = AuditFiles(out)
    files.check(run.data, source)
    rows = open_rows(run)
    earlier = corrections_of(run.data)
    findings = look(rows, run.model.max_length)
    content = facts(run, rows, findings)
    return Audit(content, files.save(run, rows, findings, content, earlier))


def look(rows: AuditRows, max_length: int) -> Findings:
    """Return what is found in rows; each step takes seconds, or is done on a part of the rows."""
    data, classes, labels_N = rows.data, len(rows.labels), rows.data.labels
    report = rows.splits.report
    logger.info("looking for copies among %d rows", len(data))
    copies = find_copies(data, rows.labels, report["dropped"], rows.splits.dropped, _MOST)
    logger.info("looking for labels that may be wrong among %d rows", len(data))
    suspects = find_suspects(out_of_fold(rows.vectors, labels_N, classes, rows.seed), labels_N)
    trial = try_hints(rows.vectors, labels_N, classes, rows.seed)
    logger.info("reading words and characters")
    read = data.take(rows.read)
    texts = read.inputs()
    words = given_away(texts, read.labels, classes, _MOST)
    logger.info("measuring what the rows can teach")
    fit = data.take(rows.fit)
    gain = measure(fit.inputs(), rows.vectors[rows.fit], fit.labels, len(data), rows.seed)
    return Findings(suspects, trial, copies, words, languages(texts), lengths(rows.uncut, max_length), gain)
