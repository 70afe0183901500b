"""Every color of figures and pages, once."""

from __future__ import annotations

# Okabe and Ito's palette, which color-blind readers can tell apart.
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY = "#e69f00", "#56b4e9"

INK = "#1d2433"  # text, axes, and whatever else a reader takes as a reference
MUTED = "#8a94a6"  # raw values behind a smooth line, and the diagonal
PALE = "#c5cbd6"  # a whole of which a part is colored
BAND = "#eceef2"
GRID = "#e4e7ec"
ACCENT = "#2f5fd0"  # a single curve, and links
RUST, LEAF = "#c2542d", "#2b8a5e"

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)  # the strongest on white first
FAKE, REAL = VERMILION, BLUE
