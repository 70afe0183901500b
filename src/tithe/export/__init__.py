"""Exports: a trained classifier as a folder that others use without tithe, and that proves what it is."""

from __future__ import annotations

from tithe.export.entry import Request, export
from tithe.export.verify import is_export, open_verified, verify_export

__all__ = ["Request", "export", "is_export", "open_verified", "verify_export"]
