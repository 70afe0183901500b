"""Files and lists for galleries, and what they list in brief."""

from collections.abc import Iterable
from pathlib import Path

from tithe import plugins
from tithe.data.images.listing import Listed, Listing, Skipped


def files(root: Path, *paths: str) -> Path:
    """Make files; what is in them is nobody's business before they are read as images."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def written(root: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    root.mkdir(exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return root / name


def listing(name: str, path: Path) -> Listing:
    found: Listing = plugins.load("galleries", name).listing(path)
    return found


def brief(entries: Iterable[Listed | Skipped]) -> list[tuple[str, object, object, object]]:
    """Path, label, generator and split of what is listed; path and reason of what is not."""
    return [
        (e.path, e.label, e.generator, e.split) if isinstance(e, Listed) else (e.path, e.reason, None, None)
        for e in entries
    ]
