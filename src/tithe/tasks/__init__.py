"""Tasks: the kind of inputs, their conversion to tensors, the network and its loss."""

from __future__ import annotations

from typing import cast

from tithe import config, plugins
from tithe.tasks.protocol import Criterion, ImageTask, Parts, Task, TaskModule, TextTask

__all__ = ["Criterion", "ImageTask", "Parts", "Task", "TaskModule", "TextTask", "find", "open_checked", "open_task"]


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
        There is no such encoder, or it does not support the config's settings.
    """
    return find(run.task).open(run)


def open_checked(run: config.Run) -> Task:
    """Return the task of a config whose data will be read.

    Raises
    ------
    InputError
        As `open_task`, or a setting does not fit the data or the task.
    """
    find(run.task).check(run)
    return open_task(run)
