"""Strategies by name, and the base class of your own."""

from data_efficiency.strategies.base import DataSelectionStrategy
from data_efficiency.strategies.factory import get_strategy

__all__ = ["DataSelectionStrategy", "get_strategy"]
