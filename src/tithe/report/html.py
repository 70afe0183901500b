"""What every HTML page shares: style, sections, tables, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = """
:root { --ink:#1d2433; --quiet:#667085; --line:#e4e7ec; --accent:#2f5fd0; --ground:#fff; --soft:#f7f8fa; }
* { box-sizing:border-box; }
body { margin:0 auto; max-width:66rem; padding:2.5rem 1.5rem 4rem; background:var(--ground); color:var(--ink);
  font:15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size:1.7rem; margin:0 0 .2rem; } h2 { font-size:1.1rem; margin:2.6rem 0 .8rem; }
p.quiet, .quiet { color:var(--quiet); }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr)); gap:.8rem; margin:1.4rem 0; }
.card { background:var(--soft); border-radius:.6rem; padding:.9rem 1rem; }
.card b { display:block; font-size:1.6rem; line-height:1.2; font-variant-numeric:tabular-nums; }
.card span { color:var(--quiet); font-size:.82rem; }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
th, td { text-align:left; padding:.35rem .7rem .35rem 0; border-bottom:1px solid var(--line); vertical-align:top; }
th { color:var(--quiet); font-weight:500; } td.n, th.n { text-align:right; }
td { overflow-wrap:anywhere; } td:first-child { overflow-wrap:break-word; }
.scroll { overflow-x:auto; max-height:30rem; }
.pictures { display:grid; grid-template-columns:repeat(auto-fit,minmax(19rem,1fr)); gap:1rem; }
.wide { grid-template-columns:repeat(auto-fit,minmax(28rem,1fr)); }
img { max-width:100%; height:auto; }
details { margin:.6rem 0; } summary { cursor:pointer; color:var(--accent); }
pre { background:var(--soft); padding:1rem; border-radius:.6rem; overflow-x:auto; font-size:.82rem; }
"""


def section(title: str, content: str) -> str:
    """Return a part of a page under a heading."""
    return f"<h2>{html.escape(title)}</h2>{content}"


def format_number(value: float | int | None) -> str:
    """Return a score as a page shows it."""
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def embed_image(path: Path, description: str) -> str:
    """Return a PNG file as part of the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}">'


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns of numbers are aligned to the right."""

    def line(cells: Sequence[str], tag: str) -> str:
        numeric = [i > 0 and (len(head) > 2 or _is_number(cell) or tag == "th") for i, cell in enumerate(cells)]
        shown = (
            f"<{tag}{' class=n' if right else ''}>{html.escape(cell)}</{tag}>"
            for cell, right in zip(cells, numeric, strict=True)
        )
        return f"<tr>{''.join(shown)}</tr>"

    top = f"<thead>{line(head, 'th')}</thead>" if any(head) else ""
    return f"<table>{top}<tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace(",", "").isdecimal()
