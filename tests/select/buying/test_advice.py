"""Whether more labels pay, in words."""

from __future__ import annotations

import pytest

from tithe.errors import InputError
from tithe.report.words import in_english, say
from tithe.select.buying.advice import Prices, advise, hoped, known
from tithe.select.buying.evidence import Evidence
from tithe.select.buying.expect import Expectation, Interval


def expectation(gain: tuple[float, float, float], flat_from: int | None = 1234) -> Expectation:
    return Expectation(50, Interval(0.7, 0.65, 0.75), Interval(0.72, 0.66, 0.78), Interval(*gain), flat_from, ())


@pytest.mark.parametrize(
    "gain, prices, verdict, says",
    [
        ((0.02, 0.01, 0.04), (1, 100), "go on", "go on: 50 labels cost 50 and bring a gain of 2.0 points (1.0 to 4.0), "
         "worth 200 (100 to 400)"),
        ((0.02, 0.0, 0.04), (1, 100), "go on", "worth 200 (0 to 400), so it is not certain"),
        ((0.002, 0.001, 0.003), (1, 100), "stop", "50 labels cost 50 and bring a gain of 0.2 points (0.1 to 0.3), "
         "worth 20 (10 to 30)"),
        ((0.02, -0.01, 0.0412), (0.25, 12345), "go on", "50 labels cost 12.5 and bring a gain of 2.0 points "
         "(-1.0 to 4.1), worth 24690 (-12345 to 50861), so it is not certain"),
        ((0.02, 0.01, 0.04), None, None, "below 0.5 points per 100 labels, from about 1200 labels on"),
    ],
)  # fmt: skip
def test_the_gain_is_weighed(
    gain: tuple[float, float, float], prices: tuple[float, float] | None, verdict: str | None, says: str
) -> None:
    advice = advise(expectation(gain), 50, Prices(*prices) if prices else None)
    assert advice.verdict == verdict and advice.sentence.endswith(says)


@pytest.mark.parametrize("labels, shown", [(87, 87), (633, 630), (994, 990), (996, 1000), (99_700, 100_000)])
def test_two_digits_say_where_a_curve_gets_flat(labels: int, shown: int) -> None:
    assert f"from about {shown} labels on" in advise(expectation((0.02, 0.01, 0.04), labels), 50, None).sentence


def test_a_flat_curve_and_none() -> None:
    assert "is flat: the gain is below 0.5 points" in advise(expectation((0, 0, 0), None), 50, None).sentence
    assert advise(None, 50, None) == (None, say("go on until there is a learning curve"))
    assert "needs 20 labels" in in_english(hoped(None)) and in_english(known(None)) == "no label is known yet"


def test_what_is_known_and_hoped() -> None:
    evidence = Evidence(40, 3, 12.0, 0.7, 0.4, 0.91)
    assert in_english(known(evidence)) == (
        "40 labels of 3 classes, a median of 12 per class; accuracy 0.700 on bought rows that the model was not "
        "trained on, where always guessing the most frequent class gives 0.400; "
        "91 % of the pool is predicted as in the round before"
    )
    hope = in_english(hoped(expectation((0.02, 0.01, 0.04))))
    assert "0.700 now and 0.720 (0.660 to 0.780) after 50 more labels" in hope
    assert hope.endswith("4.0 per 100 labels")


@pytest.mark.parametrize(
    "cost, worth, says",
    [
        (1, None, "--cost needs --worth"),
        (None, 1, "--worth needs --cost"),
        (-1, 1, "--cost -1 is not a positive"),
        (1, float("nan"), "--worth nan"),
    ],
)
def test_prices_that_are_none(cost: float | None, worth: float | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Prices.of(cost, worth)
    assert Prices.of(None, None) is None
