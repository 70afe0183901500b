"""One kind of state: how it is read, compared and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, NamedTuple

Values = dict[Any, Any]  # by a name


class Parts(dict[str, Any]):
    """The parts of one value by their names. A read returns the same object again as long as no part has changed."""


def is_same(before: Values, after: Values) -> bool:
    """Say whether both have the same objects under the same names; some thousands are compared after each test."""
    # Names are equal by ==, which looks at the identity first; of values only the identity counts.
    return list(before) == list(after) and all(map(is_, before.values(), after.values()))


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

    def leaks(self, before: Values, after: Values) -> Iterator[Leak]:
        """Yield each value that was another one; one that may appear is no leak when it does."""
        if is_same(before, after):
            return
        changed = [name for name in before | after if before.get(name, ABSENT) is not after.get(name, ABSENT)]
        was, now = _flat(before, changed), _flat(after, changed)
        for name in was | now:
            old, new = was.get(name, ABSENT), now.get(name, ABSENT)
            if not _same(old, new) and not (old is ABSENT and self.may_appear(new)):
                yield Leak(self, name, old, new)


def _flat(values: Values, names: list[Any]) -> dict[Any, Any]:
    """Return some of the values; of one with parts those, each by both names."""
    flat: dict[Any, Any] = {}
    for name in names:
        value = values.get(name, ABSENT)
        if isinstance(value, Parts):
            flat |= {(name, part): each for part, each in value.items()}
        elif value is not ABSENT:
            flat[name] = value
    return flat


def _same(old: Any, new: Any) -> bool:
    # Of other objects only identity says anything: arrays, for one, can't be compared by ==.
    plain = (dict, list, set, tuple, str, bytes, int, float, bool)
    return old is new or (type(old) is type(new) and isinstance(old, plain) and bool(old == new))
