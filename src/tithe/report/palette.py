"""Every color of figures and pages, once."""

from __future__ import annotations

# Okabe and Ito's palette where it has a contrast of 3 with white, and three darker colors in place of its light ones:
# under every kind of color blindness these seven are further apart than the seven of that palette.
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
PLUM, BROWN, INDIGO = "#690c6f", "#8a4a29", "#6149ed"
ORANGE = "#e69f00"  # behind text: as a line it is too light on white

INK = "#1d2433"  # text, axes, and whatever else a reader takes as a reference
MUTED = "#8a94a6"  # raw values behind a smooth line, and the diagonal
PALE = "#c5cbd6"  # a whole of which a part is colored
BAND = "#eceef2"
GRID = "#e4e7ec"
ACCENT = "#2f5fd0"  # a single curve, and links
RUST, LEAF = "#c2542d", "#2b8a5e"

SERIES = (BLUE, VERMILION, GREEN, PLUM, BROWN, INDIGO, INK)
FAKE, REAL = VERMILION, BLUE
