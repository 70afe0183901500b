"""Load labelled images: list, check, split by source."""

from __future__ import annotations

from tithe.data.images.load import find_gallery, ingest, kind_of_folder, load_images, open_gallery, root

__all__ = [
    "find_gallery",
    "ingest",
    "kind_of_folder",
    "load_images",
    "open_gallery",
    "root",
]
