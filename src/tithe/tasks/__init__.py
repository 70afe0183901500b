"""Tasks: what the inputs are, how they become tensors, and the network that reads them."""

from __future__ import annotations

from typing import cast

from tithe import config, plugins
from tithe.tasks.protocol import Criterion, ImageTask, Parts, Task, TaskModule

__all__ = ["Criterion", "ImageTask", "Parts", "Task", "TaskModule", "find", "open_task"]


def find(name: str) -> TaskModule:
    """Return the module of a task.

    Raises
    ------
    InputError
        There is no such task.
    """
    return cast(TaskModule, plugins.load("tasks", name))


def open_task(run: config.Run) -> Task:
    """Return the task of a config, before any weights are loaded.

    Raises
    ------
    InputError
        There is no such encoder, or it can't do what the config asks.
    """
    return find(run.task).open(run)
