"""Which files of a repository belong together."""

from __future__ import annotations

from typing import Any

import pytest

from support.hub import REPO
from tithe.fetch.hub import layout

CONFIGS = [
    {"config_name": "en", "data_files": [{"split": "train", "path": ["en/a.csv", "en/b.csv"]}], "default": True},
    {"config_name": "ru", "data_files": [{"split": "dev", "path": "ru/**/*.csv"}]},
    {"config_name": "raw", "data_dir": "raw"},
    {"config_name": "map", "data_files": {"test": "map.csv"}},
    {"config_name": "one", "data_files": "./one*.csv"},
    {"config_name": "none", "data_files": "nowhere.csv"},
]
TREE = ["en/a.csv", "en/b.csv", "ru/x/c.csv", "ru/d.csv", "raw/test.csv", "map.csv", "one.csv", "other.csv"]
LAYOUTS: list[tuple[list[str], dict[str, Any], str | None, list[str]]] = [
    (["train.csv", "test.csv"], {}, None, ["train train.csv", "test test.csv"]),
    (["data/dev.csv", "data/x_training1.csv"], {}, None, ["train data/x_training1.csv", "validation data/dev.csv"]),
    (["train/a.csv", "valid/a.csv"], {}, None, ["train train/a.csv", "validation valid/a.csv"]),
    (["rows.csv"], {}, None, ["train rows.csv"]),
    (["data/extra-00000-of-00002.csv"], {}, None, ["extra data/extra-00000-of-00002.csv"]),
    (["c/odd/0000.parquet", "c/odd/0001.parquet"], {}, None, ["odd c/odd/0000.parquet", "odd c/odd/0001.parquet"]),
    (["a/train.csv", "b/train.csv"], {}, "b", ["train b/train.csv"]),
    (["a/train.csv", "default/train.csv"], {}, None, ["train default/train.csv"]),
    (["a.parquet", "a.csv", "a.jsonl"], {}, None, ["train a.parquet"]),
    (TREE, {"configs": CONFIGS}, None, ["train en/a.csv", "train en/b.csv"]),
    (TREE, {"configs": CONFIGS}, "ru", ["dev ru/d.csv", "dev ru/x/c.csv"]),
    (TREE, {"configs": CONFIGS}, "raw", ["test raw/test.csv"]),
    (TREE, {"configs": CONFIGS}, "map", ["test map.csv"]),
    (TREE, {"configs": CONFIGS}, "one", ["train one.csv"]),
    (["train.csv"], {"configs": "nonsense"}, None, ["train train.csv"]),
    (["train.csv"], {"configs": [{"data_files": 7}, 8]}, None, ["train train.csv"]),
    (["README.md", "photo.png"], {}, None, []),
]


@pytest.mark.parametrize(("names", "head", "subset", "expected"), LAYOUTS)
def test_files_belong_to_subsets_and_splits(
    names: list[str], head: dict[str, Any], subset: str | None, expected: list[str]
) -> None:
    found = layout.parts(REPO, tuple(names), head, subset)[1]
    assert [f"{part.split} {part.file}" for part in found] == expected
