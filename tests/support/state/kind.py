"""One kind of state: how it is read, compared and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Values = Mapping[Any, Any]  # by a name, or by the name of an object and that of its part


class Absent:
    """The value of a name that is not there."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


class Leak(NamedTuple):
    """A value that is not what it was."""

    kind: Kind
    name: Any
    before: Any
    after: Any

    def __str__(self) -> str:
        name = self.name if isinstance(self.name, str) else ".".join(self.name)
        return f"{self.kind.label} {name}: {_short(self.before)} became {_short(self.after)}"

    def undo(self) -> None:
        self.kind.write(self.name, self.before)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def always(_: Any) -> bool:
    return True


def never(_: Any) -> bool:
    return False


class Kind(NamedTuple):
    """One kind of state: its values by name, how to write one of them, and which of them may appear."""

    label: str
    read: Callable[[], Values]
    write: Callable[[Any, Any], None]
    may_appear: Callable[[Any], bool] = never

    def leaks(self, before: Values) -> Iterator[Leak]:
        """Yield each value that was another one; one that may appear is no leak when it does."""
        after = self.read()
        for name in [*before, *(after.keys() - before.keys())]:
            old, new = before.get(name, ABSENT), after.get(name, ABSENT)
            if not _same(old, new) and not (old is ABSENT and self.may_appear(new)):
                yield Leak(self, name, old, new)


def _same(old: Any, new: Any) -> bool:
    # Of other objects only identity says anything: arrays, for one, can't be compared by ==.
    plain = (dict, list, set, tuple, str, bytes, int, float, bool)
    return old is new or (type(old) is type(new) and isinstance(old, plain) and bool(old == new))
