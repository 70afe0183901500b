"""Damage every file that runs, suites, searches and the cache leave, and count what the next command makes of it.

python benchmarks/damage.py                    every damage to every file
python benchmarks/damage.py --share 0.1        a random tenth
python benchmarks/damage.py --only suite       one scenario
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from common import publish, stamp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.damage import DAMAGES, OUTCOMES, Found, campaign
from support.damage_scenarios import SCENARIOS

_ABOUT = """# Damage to every file

Every file that a run, a suite, a search or the cache leaves is damaged in turn: one bit, cut in half, emptied,
exchanged for another of its kind; and files that a command would read are added to every folder. Then the next command
uses what is left. It may refuse with one line, or give what it would have given without the damage: because it computes
the file again, or never reads it. The last two columns must be zero.
"""


def main() -> None:
    """Run the campaign and publish the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="share of the cases, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="scenario; all when unset")
    options = parser.parse_args()
    logging.getLogger("tithe").setLevel(logging.CRITICAL)
    lines, faults = [], list[str]()
    for name in options.only or SCENARIOS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(SCENARIOS[name], Path(folder), options.share, options.seed)
        print(f"{name}: {len(found.outcomes)} in {time.monotonic() - started:.0f} s", *found.faults(), sep="\n  ")
        lines += _lines(name, found)
        faults += found.faults()
    head = ["what is damaged", "used by", "damage", *OUTCOMES]
    table = "\n".join(f"| {' | '.join(map(str, line))} |" for line in [head, ["---"] * len(head), *lines])
    publish("damage", f"{_ABOUT}\n{table}\n\n{stamp()}\n")
    sys.exit(1 if faults else 0)


def _lines(name: str, found: Found) -> list[list[object]]:
    uses = dict.fromkeys(use for use, _ in found.outcomes)
    counted = [(use, damage, found.count(use, damage)) for use in uses for damage in DAMAGES]
    return [[name, use, damage, *count.values()] for use, damage, count in counted if sum(count.values())]


if __name__ == "__main__":
    main()
