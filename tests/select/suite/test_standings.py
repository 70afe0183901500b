"""The table of a suite: means, intervals and paired tests are Student's."""

from __future__ import annotations

import numpy as np
import pytest

from support.suites import trial
from tithe.select.suite import standings


def test_standings_are_students() -> None:
    from scipy import stats

    own, rival = [0.80, 0.84, 0.82], [0.79, 0.80, 0.81]
    results = [trial("all", s, 0.9, budget=1.0) for s in range(3)]
    results += [trial("k_center", s, a) for s, a in enumerate(own)] + [
        trial("random", s, a) for s, a in enumerate(rival)
    ]
    lines = {line["strategy"]: line for line in standings.compute_standings(results)}
    assert list(lines) == ["all", "k_center", "random"]
    line = lines["k_center"]
    half = 4.302653 * np.std(own, ddof=1) / 3**0.5
    assert line["accuracy"]["mean"] == pytest.approx(0.82) and line["accuracy"]["half_width"] == pytest.approx(
        half, 1e-5
    )
    assert line["share_of_all"] == pytest.approx(0.82 / 0.9)
    assert line["against_random"]["difference"] == pytest.approx(0.02)
    assert line["against_random"]["p"] == pytest.approx(stats.ttest_rel(own, rival).pvalue)
    assert lines["random"]["against_random"] is None
    single = standings.compute_standings([trial("all", 0, 0.9, 1.0), trial("el2n", 0, 0.7), trial("random", 0, 0.8)])
    assert {line["strategy"]: line["accuracy"]["half_width"] for line in single} == dict.fromkeys(
        ("all", "random", "el2n")
    )
    assert "±" not in standings.text(single, True).splitlines()[2]
