"""The files of one round of labelling: the rows, the page on which a person labels them, and the account of it all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import config, plugins, storage
from tithe.data.outputs import check_apart
from tithe.data.text.labelling import Columns
from tithe.errors import InputError
from tithe.report.html import render
from tithe.report.words import Phrase, in_english, say
from tithe.select.buying.advice import Advice, hoped, known
from tithe.select.buying.next_rows import NextRows

ACCOUNT, PAGE = "label.json", "label.html"
FORMATS = ("csv", "jsonl", "parquet")
_PRICES = {"cost": None, "worth": None}  # inputs of the advice alone


@dataclass(frozen=True)
class RoundFiles:
    """Where and how the files of a round are written.

    Attributes
    ----------
    classes
        Names that the page offers before those that are known from labels.
    """

    folder: Path
    format: str
    columns: Columns
    classes: Sequence[str]
    overwrite: bool

    @property
    def rows(self) -> Path:
        """The file of the rows."""
        return self.folder / f"rows.{self.format}"

    def check(self, pool: config.Data, sources: Sequence[Path]) -> None:
        """Check the folder and the format before any work is done.

        Raises
        ------
        InputError
            There is no such format, the folder can't be written to, or a source would be written over or have the files
            as its parts.
        """
        if self.format not in FORMATS:
            raise InputError(f"--format {self.format} is not a format of rows: choose one of {', '.join(FORMATS)}")
        storage.check_writable_folder(self.folder)
        written = [self.folder / name for name in (PAGE, ACCOUNT, *map("rows.{}".format, FORMATS))]
        check_apart(self.folder, written, pool, sources)

    def check_round(self, inputs: Mapping[str, Any]) -> None:
        """Refuse a folder with another round; see `save` for the inputs.

        Raises
        ------
        InputError
            It has one.
        """
        if (self.folder / ACCOUNT).exists() and not self.overwrite and not self._is_of(inputs):
            self._refuse(self.folder / ACCOUNT)

    def _is_of(self, inputs: Mapping[str, Any]) -> bool:
        """Say whether the account that is there is of this round, at any prices: they decide no row."""
        before = storage.read_json(self.folder / ACCOUNT)
        own = before.get("inputs") if isinstance(before, dict) else None
        return isinstance(own, dict) and {**own, **_PRICES} == {**inputs, **_PRICES}

    def _refuse(self, file: Path) -> None:
        raise InputError(
            f"{file} is of another round: choose another --out, or pass --overwrite; a page in which labels were given "
            "would be lost"
        )

    def save(self, found: NextRows, advice: Advice, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Write what is missing, the account last, and return the account.

        Rows of the same round that are there stay as they are: somebody may have written labels into them. At other
        prices the advice, in the account and on the page, is another.

        Parameters
        ----------
        inputs
            What the round is a function of, hashes and settings: a second call with the same writes the same.

        Raises
        ------
        InputError
            A file is of another round.
        """
        lines = table(found, self.columns)
        account = {"inputs": dict(inputs), **self._account(found, advice, lines)}
        page = render("label.html", **self._page(found, advice, account))
        text = json.dumps(account, indent=2, ensure_ascii=False) + "\n"
        is_same = (self.folder / ACCOUNT).exists() and self._is_of(inputs)
        kept = set(account["files"]) if self._has(ACCOUNT, text.encode()) else {self.rows.name} if is_same else set()
        self.folder.mkdir(parents=True, exist_ok=True)
        writers: dict[str, Callable[[Path], object]] = {
            self.rows.name: lambda file: _WRITERS[self.format](file, lines),
            PAGE: lambda file: file.write_text(page, encoding="utf-8"),
            ACCOUNT: lambda file: file.write_text(text, encoding="utf-8"),
        }
        for name, write in writers.items():
            file = self.folder / name
            if name in kept and file.exists():
                continue
            with storage.atomic_file(file) as aside:
                write(aside)
                if not (self.overwrite or is_same or self._has(name, aside.read_bytes(), if_missing=True)):
                    self._refuse(file)
        for other in FORMATS if self.overwrite else ():
            if other != self.format:
                (self.folder / f"rows.{other}").unlink(missing_ok=True)
        return account

    def _has(self, name: str, content: bytes, if_missing: bool = False) -> bool:
        """Return whether a file has some content."""
        file = self.folder / name
        return file.read_bytes() == content if file.exists() else if_missing

    def _account(self, found: NextRows, advice: Advice, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        decision, expectation = found.decision, found.expectation
        expected = expectation and {**asdict(expectation), "per_hundred": expectation.per_hundred}
        return {
            "rows": len(lines),
            "rows_sha256": storage.digest(lines),
            "files": [self.rows.name, PAGE],
            "strategy": plugins.short_name(decision.strategy),
            "options": dict(decision.options),
            "reason": decision.reason,
            "model_sha256": found.model_sha256,
            "encoder": dict(found.encoder),
            "classes": found.corpus.rows_per_class,
            "evidence": found.evidence and asdict(found.evidence),
            "expected": expected,
            "verdict": advice.verdict,
            "says": list(map(in_english, _says(found, advice))),
        }

    def _page(self, found: NextRows, advice: Advice, account: Mapping[str, Any]) -> dict[str, Any]:
        texts = zip(found.ids.tolist(), found.texts, found.reasons, strict=True)
        return {
            "title": say("{rows} {rows:text|texts} to label", rows=account["rows"]),
            "about": say("Your labels are kept in this browser. Download them when you are done."),
            "says": _says(found, advice),
            "round": {
                "key": account["rows_sha256"][:16],
                "columns": list(self.columns),
                "classes": list(dict.fromkeys([*self.classes, *found.corpus.rows_per_class])),
                "rows": [{"id": row, "text": text, "why": why.both} for row, text, why in texts],
            },
        }


def _says(found: NextRows, advice: Advice) -> list[Phrase]:
    return [known(found.evidence), hoped(found.expectation), advice.says]


def table(found: NextRows, columns: Columns) -> list[dict[str, Any]]:
    """Return the rows to label, the most wanted first, as a file has them: without labels."""
    rows = enumerate(zip(found.ids.tolist(), found.texts, found.why, strict=True))
    own = [{"id": row, "rank": rank, "why": why} for rank, (row, _, why) in rows]
    return [
        {
            **{name: value for name, value in more.items() if name not in columns},
            columns.text: text,
            columns.label: None,
        }
        for more, text in zip(own, found.texts, strict=True)
    ]


def _csv(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write CSV for a spreadsheet: with a byte order mark, by which Excel knows UTF-8, and without formulas."""
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(map(storage.csv_cell, lines[0]))
        writer.writerows(map(storage.csv_cell, line.values()) for line in lines)


def _jsonl(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _parquet(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    names = list(lines[0])
    columns = {name: pa.array([line[name] for line in lines]) for name in names[:-1]}
    pq.write_table(pa.table({**columns, names[-1]: pa.array([None] * len(lines), pa.string())}), file)


_WRITERS: dict[str, Callable[[Path, Sequence[Mapping[str, Any]]], None]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
