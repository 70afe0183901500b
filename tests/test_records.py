"""What a run leaves on disk: whole or not at all, verifiable, and without secrets."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tithe import records
from tithe.errors import InputError

SECRET = "s3cr3t-do-not-show"


class Stopped(Exception):
    """Stands for whatever interrupts a write."""


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".partial*")]


# ---- atomic files


def test_an_atomic_file_appears_only_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on the way" / "file.txt"
    with records.atomic_file(path) as aside:
        aside.write_text("new")
        assert not path.exists()
        assert aside.parent == path.parent
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == []


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """The inode of everything that is fsynced, and whether `home` was in place by then."""
    seen: list[tuple[int, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        seen.append((os.fstat(handle).st_ino, Path("home").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_file_is_on_disk_before_it_is_in_place_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[tuple[int, bool]]
) -> None:
    monkeypatch.chdir(tmp_path)
    records.write_text(Path("home"), "text")
    assert synced == [(Path("home").stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_folder_is_on_disk_before_it_is_in_place_and_its_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[tuple[int, bool]]
) -> None:
    monkeypatch.chdir(tmp_path)
    with records.atomic_folder(Path("home")) as aside:
        (aside / "sub").mkdir()
        (aside / "sub" / "file.txt").write_text("text")
    inside = {path.stat().st_ino for path in (Path("home"), *Path("home").rglob("*")) if path.name != "sub"}
    assert inside <= {inode for inode, in_place in synced if not in_place}
    assert synced[-1] == (tmp_path.stat().st_ino, True)


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, OSError])
def test_an_interrupted_file_leaves_the_old_one(tmp_path: Path, old: str | None, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)
    with pytest.raises(error), records.atomic_file(path) as aside:
        aside.write_text("half")
        raise error
    assert (path.read_text() if path.exists() else None) == old
    assert leftovers(tmp_path) == []


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    records.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        records.write_json(path, {"a": object()})
    assert records.read_json(path) == {"a": 1}
    assert leftovers(tmp_path) == []


# ---- atomic folders


def test_an_atomic_folder_is_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with records.atomic_folder(tmp_path / "home") as aside:
            (aside / "sub").mkdir()
            (aside / "sub" / f"{content}.txt").write_text(content)
    assert [p.name for p in (tmp_path / "home" / "sub").iterdir()] == ["second.txt"]
    assert records.broken_files(tmp_path / "home") == []
    assert records.read_json(tmp_path / "home" / records.MANIFEST).keys() == {"sub/second.txt"}
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_old_one(tmp_path: Path, old: bool, error: type[BaseException]) -> None:
    home = tmp_path / "home"
    if old:
        with records.atomic_folder(home) as aside:
            (aside / "file.txt").write_text("old")
    with pytest.raises(error), records.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("half")
        raise error
    assert home.exists() is old
    if old:
        assert (home / "file.txt").read_text() == "old"
        assert records.broken_files(home) == []
    assert leftovers(tmp_path) == []


def test_a_folder_that_can_not_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with records.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("old")
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if Path(target) == home and (path / "file.txt").read_text() == "new":
            raise Stopped
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(Stopped), records.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("new")
    assert (home / "file.txt").read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_killed_write_leaves_the_old_folder_and_the_next_one_goes_through(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import os, sys; from pathlib import Path; from tithe import records\n"
        "with records.atomic_folder(Path(sys.argv[1])) as aside:\n"
        "    (aside / 'file.txt').write_text(sys.argv[2])\n"
        "    if sys.argv[2] == 'half': os._exit(9)\n"
    )
    codes = [subprocess.run([sys.executable, "-c", code, home, text]).returncode for text in ("old", "half")]
    assert codes == [0, 9]
    assert (home / "file.txt").read_text() == "old"
    assert records.broken_files(home) == []
    subprocess.run([sys.executable, "-c", code, home, "new"], check=True)
    assert (home / "file.txt").read_text() == "new"


# ---- the manifest

CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda home: None, []),
    "one byte": (lambda home: (home / "a.bin").write_bytes(b"0123456780"), ["a.bin"]),
    "truncated": (lambda home: os.truncate(home / "a.bin", 5), ["a.bin"]),
    "emptied": (lambda home: os.truncate(home / "sub" / "b.txt", 0), ["sub/b.txt"]),
    "longer": (lambda home: (home / "a.bin").write_bytes(b"0123456789x"), ["a.bin"]),
    "missing": (lambda home: (home / "sub" / "b.txt").unlink(), ["sub/b.txt"]),
    "a folder missing": (lambda home: shutil.rmtree(home / "sub"), ["sub/b.txt"]),
    "swapped": (lambda home: (home / "sub" / "b.txt").replace(home / "a.bin"), ["a.bin", "sub/b.txt"]),
    "no manifest": (lambda home: (home / records.MANIFEST).unlink(), [records.MANIFEST]),
    "manifest cut": (lambda home: os.truncate(home / records.MANIFEST, 20), [records.MANIFEST]),
    "manifest of another kind": (lambda home: (home / records.MANIFEST).write_text("[]"), [records.MANIFEST]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_manifest_finds_every_change(tmp_path: Path, change: str) -> None:
    with records.atomic_folder(tmp_path / "home") as aside:
        (aside / "sub").mkdir()
        (aside / "a.bin").write_bytes(b"0123456789")
        (aside / "sub" / "b.txt").write_text("text")
    act, found = CHANGES[change]
    act(tmp_path / "home")
    assert records.broken_files(tmp_path / "home") == found


def test_no_folder_is_not_whole(tmp_path: Path) -> None:
    assert records.broken_files(tmp_path / "nowhere") == [records.MANIFEST]


# ---- hashes


def test_digest_known_answers() -> None:
    assert records.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert records.digest({"a": 1, "b": [1, 2]}) == records.digest({"b": [1, 2], "a": 1})
    assert records.digest({"x": {"a": 1, "b": 2}}) == records.digest({"x": {"b": 2, "a": 1}})
    different = [[1, 2], [2, 1], ["1", 2], {"1": 2}, "12", 12, None, "null", "я", "\u0439", "и\u0306"]
    assert len({records.digest(value) for value in different}) == len(different)


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert records.sha256_file(tmp_path / "file") == expected


# ---- JSON and JSON lines


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_unreadable_json_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.json"):
        records.read_json(path)


def test_json_is_written_for_people(tmp_path: Path) -> None:
    records.write_json(tmp_path / "file.json", {"слово": [1]})
    assert (tmp_path / "file.json").read_text(encoding="utf-8") == '{\n  "слово": [\n    1\n  ]\n}\n'


def test_lines_are_on_disk_after_each_append_and_a_reopened_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    for turn in range(2):
        file = records.JsonLines(path)
        for step in range(2):
            file.append({"turn": turn, "step": step})
            assert records.read_lines(path)[-1] == {"turn": turn, "step": step}
        file.close()
        file.close()
    assert [(line["turn"], line["step"]) for line in records.read_lines(path)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_cut_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "history.jsonl"
    records.write_lines(path, [{"step": 1}, {"слово": 2}])
    os.truncate(path, path.stat().st_size - cut - 1)
    assert records.read_lines(path) == [{"step": 1}]


def test_a_record_after_a_cut_line_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    records.write_lines(path, [{"step": 1}, {"step": 2}])
    os.truncate(path, path.stat().st_size - 4)
    file = records.JsonLines(path)
    file.append({"step": 3})
    file.close()
    assert records.read_lines(path) == [{"step": 1}, {"step": 3}]


@pytest.mark.parametrize("text", ["line\nbreak", "a\u2028b", "a\x85b", "a\x0cb", "a\x1eb", "хлеб", "😀"])
def test_any_text_survives_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lines.jsonl"
    assert records.write_lines(path, [{"text": text}, {"n": 2}]) == 2
    assert records.read_lines(path) == [{"text": text}, {"n": 2}]


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert records.read_lines(tmp_path / "none.jsonl") == []
    assert records.write_lines(tmp_path / "empty.jsonl", []) == 0
    assert records.read_lines(tmp_path / "empty.jsonl") == []


# ---- places


def test_a_run_directory_is_fresh(tmp_path: Path) -> None:
    made = []
    for _ in range(4):
        made.append(records.new_run_dir(f"{tmp_path}/first-{{time}}"))
        made[-1].mkdir()
    assert len(set(made)) == 4
    assert all(path.parent == tmp_path and path.name.startswith("first-2") for path in made)


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "own"))
    assert records.cache_dir() == tmp_path / "own"
    monkeypatch.delenv("TITHE_CACHE")
    assert records.cache_dir() == tmp_path / "xdg" / "tithe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert records.cache_dir() == tmp_path / ".cache" / "tithe"


# ---- the environment


def test_the_environment_names_what_a_reader_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/somebody/bin/tithe", "train", "run.yaml", "--set", "train.epochs=2"])
    found = records.environment()
    assert found["command"] == ["tithe", "train", "run.yaml", "--set", "train.epochs=2"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert {"tithe", "torch", "numpy"} <= packages.keys()
    assert "somebody" not in json.dumps(found)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", f"neptune.api_token={SECRET}"],
        ["--set", f"track.neptune.api_token={SECRET}"],
        [f"--set=neptune.api_token={SECRET}"],
        ["--set", f"neptune.API_TOKEN = {SECRET}"],
        ["--set", f"x.password={SECRET}"],
        ["--set", f"x.client_secret={SECRET}"],
        ["--set", f"x.api_key={SECRET}\nmore"],
        ["--set", f"track.neptune={{api_token: {SECRET}}}"],
        ["--set", f'track.neptune={{"project": "a/b", "api_token": "{SECRET}", "tags": []}}'],
        ["--set", f"track={{neptune: {{api_token: {SECRET}}}}}"],
    ],
)
def test_the_environment_holds_no_secret_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tithe", "train", "run.yaml", *arguments, "--out", "kept"])
    found = records.environment()
    assert SECRET not in json.dumps(found)
    command = found["command"]
    assert isinstance(command, list)
    assert command[:3] + command[-2:] == ["tithe", "train", "run.yaml", "--out", "kept"]


def test_the_environment_holds_nothing_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_API_TOKEN", SECRET)
    assert SECRET not in json.dumps(records.environment())
