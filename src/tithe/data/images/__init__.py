"""Labelled images: listed, checked, split by their source."""

from __future__ import annotations

from tithe.data.images.load import find_gallery, ingest, load_images, root

__all__ = [
    "find_gallery",
    "ingest",
    "load_images",
    "root",
]
