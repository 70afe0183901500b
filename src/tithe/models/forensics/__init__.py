"""The detector of generated images: its branches, their fusion, and its loss."""

from __future__ import annotations

from tithe.models.forensics.detector import Detector

__all__ = ["Detector"]
