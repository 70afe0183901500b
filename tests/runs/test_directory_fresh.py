"""Where a new run lies."""

from pathlib import Path

from tithe.runs.directory import new_run_dir


def test_a_run_directory_is_fresh(tmp_path: Path) -> None:
    made = []
    for _ in range(4):
        made.append(new_run_dir(f"{tmp_path}/first-{{time}}"))
        made[-1].mkdir()
    assert len(set(made)) == 4
    assert all(path.parent == tmp_path and path.name.startswith("first-2") for path in made)
