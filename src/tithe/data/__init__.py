"""Load labelled rows: read, clean, encode labels, split, balance."""

from __future__ import annotations

from tithe.data.balance import class_weights
from tithe.data.dataset import Dataset
from tithe.data.labels import Label, LabelMap
from tithe.data.sources import find_reader
from tithe.data.splits import Split, Splits, stratified
from tithe.data.text.corrections import corrections_of
from tithe.data.text.ingest import ingest, symbols_of
from tithe.data.text.input_files import find_sources, gives_test
from tithe.data.text.load import load, load_unsplit

__all__ = [
    "Dataset",
    "Label",
    "LabelMap",
    "Split",
    "Splits",
    "class_weights",
    "corrections_of",
    "find_reader",
    "find_sources",
    "gives_test",
    "ingest",
    "load",
    "load_unsplit",
    "stratified",
    "symbols_of",
]
