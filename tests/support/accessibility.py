"""What a page lacks for people who see little or hear it read: contrast, alternative texts, landmarks, names."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from support.browser import Tab

_STYLES = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")
_NAMED = {
    *("button", "link", "textbox", "searchbox", "combobox", "checkbox", "listbox", "progressbar", "toolbar"),
    *("image", "img", "Iframe", "Canvas", "SvgRoot", "RootWebArea"),
}


def lacks(tab: Tab) -> list[str]:
    """Return what the page that is shown lacks, each with the place."""
    found: list[str] = tab.js(_STYLES)
    nodes = [node for node in tab.accessibility() if not node["ignored"]]
    roles = [(_value(node, "role"), _value(node, "name")) for node in nodes]
    found += sorted({f"{role} without a name" for role, name in roles if role in _NAMED and not name.strip()})
    for landmark in ("main", "banner"):
        if (count := sum(role == landmark for role, _ in roles)) != 1:
            found.append(f"{count} landmarks {landmark}")
    return found + _headings([_level(node) for node in nodes if _value(node, "role") == "heading"])


def _headings(levels: list[int]) -> list[str]:
    ones = levels.count(1)
    skipped = [f"a heading of level {b} after one of {a}" for a, b in itertools.pairwise(levels) if b > a + 1]
    return [*([f"{ones} headings of level 1"] if ones != 1 else []), *skipped]


def _value(node: dict[str, Any], key: str) -> str:
    return str(node.get(key, {}).get("value", ""))


def _level(node: dict[str, Any]) -> int:
    return next(int(each["value"]["value"]) for each in node["properties"] if each["name"] == "level")
