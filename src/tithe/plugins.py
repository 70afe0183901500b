"""The one door to every member: a family is a folder, a member is a file; other packages add theirs by entry points."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from tithe.errors import InputError, did_you_mean

logger = logging.getLogger("tithe")

# Where the members of each family are; their contract is in the folder's `__init__.py`, or in this file beside them.
CONTRACT = "protocol"
FAMILIES = {
    "formats": "config.formats",
    "galleries": "data.galleries",
    "readers": "data.readers",
    "strategies": "select.strategies",
    "targets": "export.targets",
    "tasks": "tasks",
    "trackers": "track.trackers",
}
# Families that a package may add to by the entry point `tithe.FAMILY`, and what a member must have: one of each group.
OPEN = {
    "readers": (("SUFFIXES",), ("read",)),
    "strategies": (("NEEDS",), ("score", "pick", "match", "decide")),
    "trackers": (("check",), ("open",)),
}
TUPLES = {"NEEDS", "SUFFIXES"}  # of names, where a single one is easily written without its comma
GUIDE = "docs/extending.md"


@cache
def names(family: str) -> tuple[str, ...]:
    """Return the members of a family, those of other packages too, sorted, without importing any of them."""
    return tuple(sorted({*_own(family), *_offered(family)}))


def load(family: str, name: str) -> ModuleType:
    """Import one member of a family; a strategy may also be the path of a `.py` file.

    Raises
    ------
    InputError
        The family has no such member, two members have this name, or it is from elsewhere and can't be used.
    """
    if family == "strategies" and is_file(name):
        if short_name(name) in names(family):
            raise InputError(f"{name}: there is a strategy '{short_name(name)}' already: rename the file")
        return load_file(family, Path(name))
    offers = _offered(family).get(name, ())
    if offers and (name in _own(family) or len(offers) > 1):
        packages = [*(["tithe"] if name in _own(family) else []), *map(_package, offers)]
        raise InputError(
            f"{' and '.join(packages)} each have a {_one(family)} '{name}': uninstall {_package(offers[-1])}, or have "
            "its entry point renamed"
        )
    if offers:
        return _load_offer(family, offers[0])
    if name not in _own(family):
        raise InputError(f"unknown {_one(family)} '{name}'{did_you_mean(name, names(family))}")
    return _load_own(family, name)


def load_file(family: str, path: Path) -> ModuleType:
    """Run a Python file as a member of a family; the same content at the same path runs once in a process.

    Raises
    ------
    InputError
        There is no such file, it fails, or it is not a member of this family.
    """
    try:
        code = path.read_bytes()
    except OSError:
        raise InputError(f"no {_one(family)} file {path} (seen from {Path.cwd()}): pass its path or a name") from None
    return checked(family, _run(path.resolve(), code), str(path))


def own(family: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield tithe's own members of a family, by name."""
    for name in _own(family):
        yield name, _load_own(family, name)


def each(family: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield tithe's own members of a family, then those of other packages."""
    yield from own(family)
    yield from others(family)


def others(family: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield the members of other packages, by name; one that can't be used is left out, and the log says why."""
    for name in sorted(_offered(family).keys() - set(_own(family))):
        try:
            yield name, load(family, name)
        except InputError as error:
            logger.warning("%s", error)


def checked(family: str, member: ModuleType, what: str) -> ModuleType:
    """Return a module that has what every member of the family has.

    Raises
    ------
    InputError
        It has not; the message begins with `what`.
    """
    missing = [" or ".join(group) for group in OPEN[family] if not any(hasattr(member, name) for name in group)]
    if missing:
        raise InputError(f"{what} is not a {_one(family)}: it has no {' and no '.join(missing)} ({GUIDE})")
    for name in TUPLES & vars(member).keys():
        value = getattr(member, name)
        if not isinstance(value, tuple | list) or not all(isinstance(each, str) for each in value):
            raise InputError(f"{what}: {name} is {value!r}: it should be a tuple of names, ('one',) with its comma")
    return member


def sha256(family: str, name: str) -> str | None:
    """Return a hash of the code of a member from elsewhere, None for tithe's own.

    It belongs into every key and fingerprint of what the member decides: an edited member is another member. Of a
    package the hash covers its version and the member's own file.

    Raises
    ------
    InputError
        As `load`.
    """
    if name in _own(family):
        return None
    member = load(family, name)
    if is_file(name):
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    (offer,) = _offered(family)[name]
    return hashlib.sha256(_package(offer).encode() + Path(member.__file__ or "").read_bytes()).hexdigest()


def is_file(name: str) -> bool:
    """Say whether a member is given as the path of a file, not by its name."""
    return name.endswith(".py")


def short_name(name: str) -> str:
    """Return what a member is called in results: its name, or the stem of its file."""
    return Path(name).stem if is_file(name) else name


def installed(module: str) -> bool:
    """Say whether a top-level module can be imported, without importing it."""
    if module in sys.modules:  # one that has replaced itself while it was imported may have lost its spec
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Raises
    ------
    InputError
        It is not installed; the message names the extra that brings it.
    """
    if not installed(module.partition(".")[0]):
        raise InputError(f"{module} is not installed: pip install 'tithe[{extra}]'")
    return importlib.import_module(module)


@cache
def _own(family: str) -> tuple[str, ...]:
    folder = Path(__file__).parent.joinpath(*FAMILIES[family].split("."))
    return tuple(sorted(m.name for m in pkgutil.iter_modules([str(folder)]) if m.name != CONTRACT))


def _load_own(family: str, name: str) -> ModuleType:
    return importlib.import_module(f"tithe.{FAMILIES[family]}.{name}")


@cache
def _offered(family: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return what other packages offer, by name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for offer in entry_points(group=f"tithe.{family}") if family in OPEN else ():
        found[offer.name] = (*found.get(offer.name, ()), offer)
    return found


def _load_offer(family: str, offer: EntryPoint) -> ModuleType:
    what = f"{_one(family)} '{offer.name}' of the package {_package(offer)}"
    try:
        member = offer.load()
    except Exception as error:  # whatever another package does while it is imported
        raise InputError(f"{what} can't be imported ({_first_line(error)}): repair or uninstall the package") from error
    if not isinstance(member, ModuleType) or not member.__file__:
        raise InputError(f"{what} is not a module: its entry point must name one without ':' ({GUIDE})")
    return checked(family, member, what)


@cache
def _run(path: Path, code: bytes) -> ModuleType:
    key = hashlib.sha256(str(path).encode() + code).hexdigest()[:16]
    module = ModuleType(f"tithe_file_{key}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # pydantic and dataclasses resolve annotations there
    try:
        exec(compile(code, str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[module.__name__]
        raise InputError(located(error, path)) from error
    return module


def located(error: Exception, file: Path) -> str:
    """Return an error in one line: the file and its last line that led to it, the type and the message."""
    return f"{file}{_line(error, file)}: {_first_line(error)}"


def _line(error: Exception, path: Path) -> str:
    """Return ` line 3` for an error of this file or one that its code ran into."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" line {lines[-1]}" if lines else ""


def _first_line(error: Exception) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {(message.splitlines() or ['no message'])[0]}"


def _package(offer: EntryPoint) -> str:
    return f"{offer.dist.name} {offer.dist.version}" if offer.dist else "an unknown package"


def _one(family: str) -> str:
    return f"{family[:-3]}y" if family.endswith("ies") else family[:-1]
