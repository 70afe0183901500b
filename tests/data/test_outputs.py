"""What is written stays apart from what is read: which places are refused, and which are not."""

from pathlib import Path

import pytest

from tithe.config import Data
from tithe.data.outputs import check_apart
from tithe.errors import InputError

PLACES = [
    # data, what is read besides them, the file, what is said of it
    ({"path": "rows.csv"}, [], "rows.csv", "would overwrite rows.csv"),
    ({"path": "rows.csv"}, [], "parts/../rows.csv", "would overwrite rows.csv"),
    ({"path": "rows.csv", "test": "test.csv"}, [], "test.csv", "would overwrite test.csv"),
    ({"path": "rows.csv", "label_mapping": "names.json"}, [], "names.json", "would overwrite names.json"),
    ({"path": "rows.csv"}, ["run.yaml"], "run.yaml", "would overwrite run.yaml"),
    ({"path": "rows.csv"}, [], "other.csv", None),
    ({"path": "parts"}, [], "parts/other.csv", "would make other.csv a part of the data parts"),
    ({"path": "rows.csv", "validation": "parts"}, [], "parts/other.csv", "a part of the data parts"),
    ({"path": "parts"}, [], "parts/below/other.csv", None),
    ({"path": "parts/*.csv"}, [], "parts/other.csv", "a part of the data parts/\\*.csv"),
    ({"path": "parts/*.csv"}, [], "parts/other.json", None),
    ({"path": "parts/*.csv"}, [], "parts/below/other.csv", None),
]


@pytest.mark.parametrize(("data", "others", "file", "says"), PLACES)
def test_a_file_is_written_apart(
    data: dict[str, str],
    others: list[str],
    file: str,
    says: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()

    def check() -> None:
        check_apart(Path("OUT"), [Path("new.txt"), Path(file)], Data(**data), list(map(Path, others)))  # type: ignore[arg-type]

    if says is None:
        check()
        return
    with pytest.raises(InputError, match=f"--out OUT .*{says}"):
        check()
