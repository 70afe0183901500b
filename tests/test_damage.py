"""A sample of the damages of `benchmarks/damage.py`: refused in one line, or no other result."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.damage import CRASHED, DAMAGES, DIFFERENT, OUTCOMES, REFUSED, SAME, Case, Scenario, campaign
from support.damage_scenarios import SCENARIOS
from tithe.errors import InputError

SHARE = 0.02
# The others take minutes.
QUICK = ("full fine-tuning, stopped", "frozen encoder, its cache", "single files, finished", "suite")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SCENARIOS]
)
def test_damage_is_refused_or_changes_nothing(name: str, tmp_path: Path) -> None:
    if name == "search":
        pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")
    found = campaign(SCENARIOS[name], tmp_path, SHARE)
    assert found.outcomes and found.faults() == []


def test_the_campaign_tells_the_outcomes_apart(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "a.txt").write_text("one")
        (folder / "b.txt").write_text("two")

    def strict(folder: Path) -> object:
        if sorted(p.name for p in folder.iterdir()) != ["a.txt", "b.txt"] or (folder / "a.txt").read_text() != "one":
            raise InputError("a.txt is not what was written")
        return "one"

    uses = {"none": lambda folder: 1, "naive": lambda folder: (folder / "a.txt").read_text(), "strict": strict}
    uses["crash"] = lambda folder: {"one": 1}[(folder / "a.txt").read_text()]
    found = campaign(Scenario(make, ("*.txt",), uses, refusing=("strict",)), tmp_path)
    assert {case.damage for _, case in found.outcomes} == DAMAGES.keys()
    expected = {"none": SAME, "naive": DIFFERENT, "strict": REFUSED, "crash": CRASHED}
    assert {use: found.outcomes[use, Case("one bit", "a.txt")] for use in uses} == expected
    assert found.outcomes["strict", Case("truncated", "b.txt")] == DIFFERENT, "it must refuse, and did not"
    assert found.outcomes["strict", Case("added to", ".")] == REFUSED
    assert found.count("naive", "emptied") == dict.fromkeys(OUTCOMES, 0) | {SAME: 1, DIFFERENT: 1}
    assert len(found.faults()) == sum(outcome in (DIFFERENT, CRASHED) for outcome in found.outcomes.values())
