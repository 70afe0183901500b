"""Texts and classes in files of other formats, and class names of the card."""

from __future__ import annotations

import pytest

from support.hub import REPO, Hub, card, rows
from tithe import storage
from tithe.fetch import catalog

FORMATS = {
    "train.csv": 'text,label\n"one, two",1\nthree,2\n',
    "train.tsv": "label\ttext\n1\tone, two\n2\tthree\n",
    "data/part.jsonl": '{"text": "one, two", "label": 1}\nnot json\n{"text": "three", "label": 2}\n',
    "all.json": '[{"text": "one, two", "label": 1}, {"text": "three", "label": 2}, {"text": "no class"}]',
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_are_read_too(name: str, online: Hub) -> None:
    online.put({name: FORMATS[name].encode(), "dataset_infos.json": b"{}", ".train.csv": b"text,label\nx,y\n"})
    path = catalog.fetch(REPO)
    assert rows(path) == [("one, two", "1"), ("three", "2")]
    lost = {"data/part.jsonl": {"unreadable": 1}, "all.json": {"without a class": 1}}.get(name)
    assert storage.read_json(path.with_suffix(".json"))["left_out"] == ({name: lost} if lost else {})


def test_a_text_that_is_a_class_name_is_no_number_of_one(online: Hub) -> None:
    feature = {"name": "label", "dtype": {"class_label": {"names": ["1", "2"]}}}
    lines = b'{"text": "a", "label": "1"}\n{"text": "b", "label": 1}\n{"text": "c", "label": "0"}\n'
    online.put({"README.md": card(dataset_info=[{"features": [feature]}]), "train.jsonl": lines})
    assert rows(catalog.fetch(REPO)) == [("a", "1"), ("b", "2"), ("c", "1")]


@pytest.mark.parametrize("shape", [{"0": "neg", "1": "pos"}, ["neg", "pos"]])
def test_class_names_may_stand_in_the_card(shape: object, online: Hub) -> None:
    feature = {"name": "stars", "dtype": {"class_label": {"names": shape}}}
    info = [{"config_name": "other", "features": [{**feature, "name": "text"}]}, {"features": [feature]}]
    online.put({"README.md": card(dataset_info=info), "train.csv": b"sentence,stars\na,1\nb,0\nc,7\n"})
    assert rows(catalog.fetch(REPO)) == [("a", "pos"), ("b", "neg")]
