"""The contract of an engine, which is where independent pieces of work run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs one function on many items."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield what a function makes of each item, in the order of the items.

        Parameters
        ----------
        function
            Sent to each worker once: what it opens there, it keeps. It gives equal results for equal items, whichever
            worker calls it and however often, since the item of a worker that dies is done again by another one.
        items
            Read as they are needed: a bounded number of them, and of their results, is in memory.

        Raises
        ------
        TitheError
            What the function raises; or an item that has cost several workers their lives.
        """
        ...
