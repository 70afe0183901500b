"""Standard streams of any kind: closed, in another encoding, with bytes that are no text, on a real terminal."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import Run, Trained, assert_refused

HOSTILE = "goal\x1b[2J\x9b1m\u202etab\tcafé"
SHOWN = "goal\\x1b[2J\\x9b1m\\u202etab\\tcafé"


def test_closed_standard_input_is_refused_in_one_line(trained: Trained, run: Run) -> None:
    assert_refused(run("predict", trained.best, stdin=None), "standard input is closed: give a text")


def test_bytes_that_are_no_text_are_replaced_as_in_a_file(trained: Trained, run: Run, tmp_path: Path) -> None:
    content = "\ufeffthe goal\n".encode() + b"caf\xe9 \xff\nrocket"
    (tmp_path / "in.txt").write_bytes(content)
    piped, read = (
        run("predict", trained.best, "--json", stdin=content),
        run("predict", trained.best, "--json", "-i", tmp_path / "in.txt"),
    )
    assert [json.loads(line)["text"] for line in piped.out.splitlines()] == ["the goal", "caf\ufffd \ufffd", "rocket"]
    assert piped == read and piped.code == 0


@pytest.mark.parametrize("dash", [["-"], ["--input", "-"], ["-i", "-"]])
def test_a_dash_is_standard_input(dash: list[str], trained: Trained, run: Run) -> None:
    plain = run("predict", trained.best, stdin="the goal\nrocket orbit\n")
    assert run("predict", trained.best, *dash, stdin="the goal\nrocket orbit\n") == plain
    assert [line.split("\t")[2] for line in plain.out.splitlines()] == ["the goal", "rocket orbit"]


def test_a_text_is_one_line_and_steers_no_terminal(trained: Trained, run: Run) -> None:
    result = run("predict", trained.best, f"{HOSTILE}\nsecond line", "plain")
    first, second = result.out.split("\n")[:-1]
    assert first.split("\t")[2] == f"{SHOWN}\\nsecond line" and second.endswith("\tplain")
    refused = run("predict", f"no{HOSTILE}\nrun", "text")
    assert refused.code == 2 and SHOWN in refused.err and len(refused.err.splitlines()) == 1
    assert not set(result.out + refused.err) & {"\x1b", "\x9b", "\u202e"}


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_another_encoding_gets_escapes(
    encoding: str, trained: Trained, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert run("predict", trained.best, "матч 😀 goal").code == 0
    assert run("predict", trained.best, "--json", "матч 😀 goal").code == 0
    plain, as_json = written.getvalue().decode(encoding).splitlines()
    assert plain.split("\t")[2] == "\\u043c\\u0430\\u0442\\u0447 \\U0001f600 goal"
    assert json.loads(as_json)["text"] == "матч 😀 goal"


def test_closed_standard_output_needs_a_file(
    trained: Trained, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    assert_refused(run("predict", trained.best, "the goal"), "standard output is closed: pass --output FILE")
    assert run("predict", trained.best, "the goal", "-o", tmp_path / "out.csv").code == 0


def test_a_full_disk_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115
    monkeypatch.setattr(sys, "stdout", full)
    result = run("--version")
    sys.stdout.close()  # the null device: what is still printed goes nowhere
    with contextlib.suppress(OSError):
        full.close()
    assert result.code == 1 and result.err == "error: No space left on device\n"


CLOSED = """
import sys
from tithe import console
console.open_streams()
with open("file", "w") as file:
    print("lost")
    print("lost too", file=sys.stderr)
    console.echo("and this")
    file.write(f"{file.fileno()} {sys.stdin}")
"""


def test_nothing_that_is_printed_reaches_a_file_if_all_streams_are_closed(tmp_path: Path) -> None:
    shell = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, CLOSED]
    subprocess.run(shell, cwd=tmp_path, check=True)
    number, stdin = (tmp_path / "file").read_text().split()
    assert int(number) > 2 and stdin == "None"


def test_no_cell_of_predictions_is_a_formula(trained: Trained, run: Run, tmp_path: Path) -> None:
    formula = "=cmd|' /C calc'!A0"
    for name in ("out.csv", "out.jsonl"):
        assert run("predict", trained.best, formula, "goal", "-o", tmp_path / name).code == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [f"'{formula}", "goal"]
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["text"] == formula


def test_the_columns_of_the_input_keep_their_names(trained: Trained, run: Run, tmp_path: Path) -> None:
    """True labels are not replaced: the new columns are the ones that get another name."""
    (tmp_path / "in.csv").write_text("id,body,label,text,p_space,note,note\n007,the goal,truth,old,1,one,two\n")
    asked = ["--input", tmp_path / "in.csv", "--text-column", "body", "--json"]
    row = json.loads(run("predict", trained.best, *asked).out)
    kept = {"id": "007", "label": "truth", "text": "old", "p_space": "1", "note": "one", "note_2": "two"}
    assert dict(list(row.items())[:7]) == {**kept, "body": "the goal"}
    assert list(row)[7:] == ["predicted_label", "probability", "abstained", "truncated", "predicted_p_space", "p_sport"]
    assert row["predicted_label"] == "sport"
    assert run("predict", trained.best, *asked[:-1]).out.startswith("sport\t"), "the line for people is the prediction"
