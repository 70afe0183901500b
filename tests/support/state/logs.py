"""What is logged; the filters of warnings are restored by pytest itself, after each test."""

from __future__ import annotations

import logging
from typing import Any

from support.state.kind import Kind, Parts, Values, always

_CLOSES_ITSELF = "torch.__trace"  # at its first message, when a graph is traced


def _loggers() -> dict[str, logging.Logger]:
    made = {name: log for name, log in logging.root.manager.loggerDict.items() if isinstance(log, logging.Logger)}
    made.pop(_CLOSES_ITSELF, None)
    return {"root": logging.root} | made


def _logging() -> Values:
    everything = Parts({"disabled below": logging.root.manager.disable})
    return {"everything": everything} | {name: _parts(name, log) for name, log in _loggers().items()}


_seen: dict[str, tuple[tuple[Any, ...], Parts]] = {}


def _parts(name: str, log: logging.Logger) -> Parts:
    handlers = [handler for handler in log.handlers if not _of_pytest(handler)] if log.handlers else []
    now = (log.level, log.propagate, log.disabled, handlers)
    seen = _seen.get(name)
    if not seen or seen[0] != now:
        seen = _seen[name] = now, Parts(zip(("level", "propagate", "disabled", "handlers"), now, strict=True))
    return seen[1]


def _of_pytest(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest.")  # it adds and removes its own around each phase of a test


def _write_handlers(log: logging.Logger, own: list[logging.Handler]) -> None:
    log.handlers[:] = [*own, *filter(_of_pytest, log.handlers)]


def _write_logging(name: Any, value: Any) -> None:
    logger, what = name
    if what == "disabled below":
        logging.disable(value)
    elif what == "level":
        _loggers()[logger].setLevel(value)  # an assignment would leave the answers of isEnabledFor cached
    elif what == "handlers":
        _write_handlers(_loggers()[logger], value)
    else:
        setattr(_loggers()[logger], what, value)


def reset() -> None:
    """Set the levels of a new process, on which depends what `caplog` sees without a level of its own."""
    if logging.root.level != logging.WARNING:
        logging.root.setLevel(logging.WARNING)
    for name, level, propagate in (("tithe", logging.NOTSET, True), ("tithe.steps", logging.DEBUG, False)):
        logger = logging.getLogger(name)
        if logger.level != level:  # setting one empties a cache of every logger there is
            logger.setLevel(level)
        logger.propagate = propagate
        _write_handlers(logger, [])


KINDS = [
    Kind("logging", _logging, _write_logging, always),  # a library that is imported makes its loggers
]
