"""Choosing training rows: from a file, from a config, or inside a run."""

from __future__ import annotations

from tithe.select.choose import (
    SelectionResult,
    choose_rows,
    explain_row,
    select_from_all,
    select_from_config,
)
from tithe.select.outputs import save, summary
from tithe.select.settings import overridden

__all__ = [
    "SelectionResult",
    "choose_rows",
    "explain_row",
    "overridden",
    "save",
    "select_from_all",
    "select_from_config",
    "summary",
]
