"""The contracts of strategies, readers and trackers as functions, for the tests of any package that adds one."""

from __future__ import annotations

from tithe.testing.readers import check_reader
from tithe.testing.strategies import check_strategy, example_pool
from tithe.testing.trackers import check_tracker

__all__ = ["check_reader", "check_strategy", "check_tracker", "example_pool"]
