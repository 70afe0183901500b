"""A merged dataset is the same bytes every time, and whole whenever the merge is killed."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.raw_parts import files, merged_rows, read, rows, write_part
from tithe.data.text import merge_parts


def test_the_same_parts_give_the_same_bytes(raw: Path, out: Path, tmp_path: Path) -> None:
    write_part(raw / "part_3.json", [None, *rows(*((f"текст {i}", "space") for i in range(9000)))])
    merge_parts.merge(raw, out, skip_wrong=True)
    before = files(out)
    merge_parts.merge(raw, out, skip_wrong=True)
    assert files(out) == before
    merge_parts.merge(raw, tmp_path / "elsewhere", skip_wrong=True)
    assert files(tmp_path / "elsewhere") == before


def whole_if_there(out: Path) -> bool:
    """Whether the rule holds: where the dataset stands, it is whole and fits the mapping beside it."""
    if not (out / "combined_dataset.json").exists():
        return True
    symbols = {symbol: label for label, symbol in read(out / "output_to_symbol.json").items()}
    return all(symbols[symbol] in text for text, symbol in merged_rows(out))


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Path, Path, dict[str, bytes]]:
    """Raw parts whose symbols have all moved since they were merged, and what another run should leave.

    Every text holds its class.
    """
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_part(raw / "1.json", rows(("x sport x", "sport"), ("x space x", "space")))
    merge_parts.merge(raw, out)
    write_part(raw / "2.json", [*rows(("x art x", "art"), ("x кухня x", "кухня")), None])
    merge_parts.merge(raw, tmp_path / "expected", skip_wrong=True)
    return raw, out, files(tmp_path / "expected")


@pytest.mark.parametrize("fatal", range(1, 6))
def test_an_error_at_any_rename_leaves_nothing_that_does_not_fit(
    grown: tuple[Path, Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    raw, out, expected = grown
    replace, renames = Path.replace, 0

    def fail(path: Path, target: Path) -> Path:
        nonlocal renames
        # The list of wrong records and two JSON files are written aside by renaming too: only the last renames count.
        renames += target.name in expected
        if renames == fatal and target.name in expected:
            raise OSError("no space left")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            merge_parts.merge(raw, out, skip_wrong=True)
    assert not (out / "combined_dataset.json").exists()
    assert not list(out.glob(".partial-*"))
    merge_parts.merge(raw, out, skip_wrong=True)
    assert files(out) == expected


def test_a_failure_while_writing_leaves_what_was_there(
    grown: tuple[Path, Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out, _ = grown
    before = files(out)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="no space left"):
        merge_parts.merge(raw, out, skip_wrong=True)
    assert files(out) == before


# Merges in one process for each folder; the i-th dies without a farewell before its i-th change of a name.
KILLED = """
import os, sys
from pathlib import Path
from tithe.data.text import merge_parts

calls = 0

def deadly(method, fatal):
    def call(path, *arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os._exit(9)
        return method(path, *arguments, **options)
    return call

for i, out in enumerate(sys.argv[2:], start=1):
    if not os.fork():
        Path.replace, Path.unlink = deadly(Path.replace, i), deadly(Path.unlink, i)
        merge_parts.merge(Path(sys.argv[1]), Path(out), skip_wrong=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_kill_at_any_moment_leaves_nothing_that_does_not_fit(
    grown: tuple[Path, Path, dict[str, bytes]], tmp_path: Path
) -> None:
    raw, out, expected = grown
    killed = [shutil.copytree(out, tmp_path / f"killed {i}") for i in range(20)]
    command = [sys.executable, "-c", KILLED, str(raw), *map(str, killed)]
    codes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    finished = codes.count("0")
    assert codes == ["9"] * (20 - finished) + ["0"] * finished
    assert finished
    stands = [(folder / "combined_dataset.json").exists() for folder in killed]
    # The old dataset at first, then none, then the new one.
    assert [there for there, _ in itertools.groupby(stands)] == [True, False, True]
    assert all(map(whole_if_there, killed))
    for folder in killed:
        merge_parts.merge(raw, folder, skip_wrong=True)
        assert files(folder) == expected
