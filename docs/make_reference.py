"""Write `docs/config.md` from the config models; a test fails if the two differ."""

from pathlib import Path

from tithe import config, plugins
from tithe.config.explain import explain

_HEAD = "| setting | type | default | meaning |\n|---|---|---|---|\n"


def reference() -> str:
    """Return the page: the native settings, then those of every documented format."""
    parts = ["# Settings\n\nWritten by `make docs` from the code; `tithe config explain` prints the same.\n"]
    models = {"native": config.Run}
    models |= {f"recipe `{name}`": plugins.load("formats", name).Config for name in plugins.names("formats")}
    for title, model in models.items():
        rows = (f"| `{k}` | {t.replace('|', '·')} | `{d}` | {m} |\n" for k, t, d, m in explain(model))
        parts.append(f"\n## {title.capitalize()}\n\n{_HEAD}{''.join(rows)}")
    return "".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "config.md").write_text(reference(), encoding="utf-8")
