"""Names of folders that say a class or a split."""

import pytest

from tithe.data.images.listing import class_of
from tithe.data.splits import part_of

NAMES = {
    "real": 1,
    "0_real": 1,
    "1_real": 1,
    "nature": 1,
    "Real": 1,
    " REAL ": 1,
    "\ufeffre\u200bal\u00a0": 1,
    "fake": 0,
    "1_fake": 0,
    "0_fake": 0,
    "12_fake": 0,
    "ai": 0,
    "AI": 0,
    "0": None,
    "1": None,
    "reals": None,
    "unreal": None,
    "real_": None,
    "_real": None,
    "aircraft": None,
    "": None,
}


@pytest.mark.parametrize(("name", "label"), NAMES.items())
def test_a_class_is_known_by_its_name_and_never_by_its_number(name: str, label: int | None) -> None:
    assert class_of(name) is label


def test_splits_have_few_names() -> None:
    assert [part_of(name) for name in ("train", "Val", "valid", "validation", "TEST", "testing", "")] == [
        *("train", "val", "val", "val", "test", None, None)
    ]
