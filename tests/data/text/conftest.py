"""Raw parts to merge."""

from pathlib import Path

import pytest

from support.raw_parts import rows, write_part


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two parts, three classes: an array and JSON lines."""
    folder = tmp_path / "data" / "raw"
    write_part(folder / "part_2.json", rows(("суп", "кухня"), ("moon", "space")), lines=True)
    write_part(folder / "part_1.json", rows(("goal", "sport"), ("orbit", "space"), ("cup", "sport")))
    return folder


@pytest.fixture
def out(raw: Path) -> Path:
    return raw.parent
