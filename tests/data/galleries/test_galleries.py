"""What holds for every gallery: what it claims, and that the place does not matter."""

from pathlib import Path

import pytest

from support.listings import files, listing, written
from tithe import plugins

CLAIMS = [
    (["real/a.png", "fake/a.png"], "", {"image_folder": 1, "image_csv": 0}),
    (["real/a.png", "labels.csv"], "", {"image_folder": 1, "image_csv": 2}),
    (["train.csv"], "", {"image_folder": 1, "image_csv": 2}),
    (["my.csv"], "", {"image_folder": 1, "image_csv": 0}),
    (["my.csv"], "my.csv", {"image_folder": 0, "image_csv": 2}),
    (["my.TSV"], "my.TSV", {"image_folder": 0, "image_csv": 2}),
    (["my.zip"], "my.zip", {"image_folder": 0, "image_csv": 0}),
]


@pytest.mark.parametrize(("paths", "path", "claims"), CLAIMS)
def test_what_a_gallery_claims(tmp_path: Path, paths: list[str], path: str, claims: dict[str, int]) -> None:
    files(tmp_path, *paths)
    assert {name: plugins.load("galleries", name).claims(tmp_path / path) for name in claims} == claims
    assert claims.keys() == set(plugins.names("galleries"))


@pytest.mark.parametrize("name", plugins.names("galleries"))
def test_a_listing_does_not_depend_on_where_the_gallery_lies(tmp_path: Path, name: str) -> None:
    found = []
    for home in ("here", "there"):
        root = files(tmp_path / home, "real/b.png", "real/a.png", "fake/c.png")
        if name == "image_csv":
            written(root, "labels.csv", "path,label", "real/b.png,real", "fake/c.png,fake", "real/a.png,real")
        found.append(listing(name, root))
    assert found[0] == found[1] and len(found[0].entries) == 3
