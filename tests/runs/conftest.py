"""Finished runs, and copies of them to tamper with."""

from support.finished_runs import copy, finished

__all__ = ["copy", "finished"]
