"""The curves of a run as plain data."""

from __future__ import annotations

import json

from tithe.report import learning


def history(steps: int) -> list[dict[str, object]]:
    train = [
        {
            "kind": "train",
            "step": step,
            "batch_loss": 1.0 if step < steps else float("nan"),
            "lr_0": 0.1,
            "lr_1": 1 / step,
        }
        for step in range(1, steps + 1)
    ]
    return [*train, {"kind": "val", "step": steps, "loss": 0.5, "accuracy": 0.75, "f1": 0.7}]


def test_loss_scores_and_rates_have_panels_of_their_own() -> None:
    chart = learning.chart(history(4), seconds=400.0)
    assert [panel["label"]["en"] for panel in chart["panels"]] == ["loss", "scores", "learning rate"]
    assert [axis["label"]["en"] for axis in chart["axes"]] == ["optimizer step", "minutes"]
    raw, smooth, checks = chart["panels"][0]["curves"]
    assert raw["x"] == {"step": [1, 2, 3, 4], "time": [1.6667, 3.3333, 5.0, 6.6667]}
    assert raw["y"] == [1.0, 1.0, 1.0, None] and smooth["y"][:3] == [1.0, 1.0, 1.0] and checks["y"] == [0.5]
    assert {curve["name"]["en"]: curve["y"][0] for curve in chart["panels"][1]["curves"]} == {
        "validation F1, macro": 0.7,
        "validation accuracy": 0.75,
    }
    assert [curve["name"]["en"] for curve in chart["panels"][2]["curves"]] == ["group 0", "group 1"]
    json.dumps(chart, allow_nan=False)


def test_a_long_run_has_as_many_points_as_a_page_can_hold() -> None:
    chart = learning.chart(history(100_001), seconds=1.0)
    assert {len(curve["y"]) for curve in chart["panels"][0]["curves"]} == {599, 1}
    assert chart["axes"][1]["label"]["en"] == "seconds"


def test_a_run_without_steps_has_no_curves() -> None:
    assert learning.chart([], seconds=0.0)["panels"] == []
