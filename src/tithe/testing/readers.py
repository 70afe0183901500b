"""The contract of every reader: the rows of a file in order, and any wrong file as an error in one line."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tithe.data.labels import normalise
from tithe.data.readers import Pair
from tithe.errors import InputError
from tithe.testing.members import open_member, untouched

# Writes rows of (text, label) into a file, in columns of two names: path, rows, text column, label column.
Write = Callable[[Path, Sequence[tuple[str, str | int | None]], str, str], object]

TEXTS = ("with, comma; and more", 'a "quoted" word', "two\nlines", "хлеб и соль", "  ", "plain")
LABELS: tuple[tuple[str | int | None, ...], ...] = (("cat", "dog", None), (3, 20), ("да", "нет"), ("1a", "01"))
LONGEST = 10_000


def check_reader(reader: str | Path | ModuleType, write: Write) -> None:
    """Check that a reader keeps the contract.

    Parameters
    ----------
    reader
        A module, its dotted name, the path of a `.py` file, or the name of an installed reader.
    write
        Called with a path, rows of (text, label), and the names of their columns; writes the file. A label of None is
        a row without one.

    Raises
    ------
    AssertionError
        It does not; the message says in what.
    InputError, ImportError
        It is not there, or is not a reader.
    """
    name, module = open_member("readers", reader)
    _check_suffixes(name, module)
    with untouched(f"reader '{name}'"), tempfile.TemporaryDirectory() as folder:
        case = _Case(name, module, write, Path(folder) / f"rows{module.SUFFIXES[0]}")
        for labels in LABELS:
            _check_content(case, labels)
        _check_columns(case)
        _check_many_rows(case)
        _check_wrong_files(case)


@dataclass(frozen=True)
class _Case:
    name: str
    module: ModuleType
    write: Write
    path: Path

    def lists(self, text: str = "text", label: str | None = "label") -> list[list[Pair]]:
        return list(self.module.read(self.path, text, label))

    def pairs(self, text: str = "text", label: str | None = "label") -> list[Pair]:
        """Return all rows, their labels as any reader's are normalised."""
        return [(value, normalise(raw)) for rows in self.lists(text, label) for value, raw in rows]


def _check_suffixes(name: str, module: ModuleType) -> None:
    suffixes = module.SUFFIXES
    assert isinstance(suffixes, tuple) and suffixes, f"SUFFIXES of '{name}' is {suffixes!r}: a tuple, ('.xml',)"
    for suffix in suffixes:
        assert suffix.startswith(".") and suffix == suffix.lower(), f"suffix {suffix!r} of '{name}': as '.xml'"


def _check_content(case: _Case, labels: Sequence[str | int | None]) -> None:
    """Every row in its place, with its text as it is and its label; and a file left as it was."""
    rows = [(text, labels[place % len(labels)]) for place, text in enumerate(TEXTS * 2)]
    case.write(case.path, rows, "text", "label")
    before = case.path.read_bytes()
    expected = [(text, normalise(label)) for text, label in rows]
    for got in (case.pairs(), case.pairs()):
        assert len(got) == len(rows), f"'{case.name}' read {len(got)} rows of {len(rows)}"
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            assert one == other, f"'{case.name}' read row {number} as {one!r} instead of {other!r}"
    assert case.path.read_bytes() == before, f"'{case.name}' changed the file"
    assert list(case.path.parent.iterdir()) == [case.path], f"'{case.name}' wrote files beside the one it read"
    if hasattr(case.module, "records"):
        _check_records(case, rows)
    unlabelled = case.pairs(label=None)
    assert unlabelled == [(text, None) for text, _ in rows], f"'{case.name}' gave labels where no column was named"


def _check_records(case: _Case, rows: Sequence[tuple[str, str | int | None]]) -> None:
    """The rows with all of their columns are those of `read`, one for one."""
    records = [record for records in case.module.records(case.path) for record in records]
    assert len(records) == len(rows), f"'{case.name}' has {len(records)} records of {len(rows)} rows"
    for number, (record, (text, label)) in enumerate(zip(records, rows, strict=True)):
        got, expected = (record.get("text"), normalise(record.get("label"))), (text, normalise(label))
        assert got == expected, f"'{case.name}' has record {number} as {got!r} instead of {expected!r}"


def _check_columns(case: _Case) -> None:
    """Columns have the names that the settings give; one that is not there is an InputError that names it."""
    case.write(case.path, [("plain", "cat"), ("other", "dog")], "body", "topic")
    got = case.pairs("body", "topic")
    assert got == [("plain", "cat"), ("other", "dog")], f"'{case.name}' read {got!r} from the columns body and topic"
    for columns, missing in ((("absent", "topic"), "absent"), (("body", "missing"), "missing")):
        said = _refusal(case, *columns)
        assert missing in said, f"'{case.name}' has no InputError that names a missing column: use readers.check"


def _check_many_rows(case: _Case) -> None:
    """A large file comes in several lists, so that memory holds a part of it."""
    rows = [(f"text {number}", number % 2) for number in range(2 * LONGEST + 1)]
    case.write(case.path, rows, "text", "label")
    longest = max(map(len, case.lists()))
    assert longest <= LONGEST, f"'{case.name}' gave a list of {longest} rows: {LONGEST} at most, use readers.lists"
    assert case.pairs() == rows, f"'{case.name}' lost the order of {len(rows)} rows"


def _check_wrong_files(case: _Case) -> None:
    """A file of anything else is an InputError of one line, or rows that are unreadable; nothing else."""
    for content in (b"", b"\n", b"\xff\xfe\x00", random.Random(0).randbytes(4096)):
        case.path.write_bytes(content)
        _refusal(case)


def _refusal(case: _Case, text: str = "text", label: str = "label") -> str:
    """Return the reader's InputError for the file, one line; nothing where it reads it."""
    try:
        case.lists(text, label)
    except InputError as error:
        assert "\n" not in str(error), f"'{case.name}': an error of several lines: {error}"
        return str(error)
    except Exception as error:
        raise AssertionError(
            f"'{case.name}' raises {type(error).__name__} ({error}) for a file or a column that is wrong: InputError, "
            "with the path and the cure"
        ) from error
    return ""
