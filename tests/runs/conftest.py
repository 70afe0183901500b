"""Finished runs, copies of them to tamper with, and settings of runs whose directory has a time stamp."""

from support.finished_runs import copy, finished
from support.stamped_runs import log, stamped

__all__ = ["copy", "finished", "log", "stamped"]
