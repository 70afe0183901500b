"""The schema of a prediction: one for Python, JSON and tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tithe.predict.prediction import Answered, Prediction, answers, as_table, new_names, own_columns

OWN = ["label", "probability", "abstained", "truncated", "p_no", "p_yes"]


def test_an_answer_has_the_same_values_in_json_and_in_columns() -> None:
    probs_NC, off, on = np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([False, True]), np.array([True, False])
    first, second = answers(["no", "yes"], probs_NC, off, on)
    assert first == Prediction("yes", 0.75, {"no": 0.25, "yes": 0.75}, abstained=False, truncated=True)
    assert (second.label, second.abstained, second.truncated) == ("no", True, False), "the first of equal classes"
    values = [second.label, 0.5, True, False, 0.5, 0.5]
    assert second.columns() == dict(zip(OWN, values, strict=True))
    assert list(second._asdict()) == ["label", "probability", "probabilities", "abstained", "truncated"]


@pytest.mark.parametrize(
    ("taken", "renamed"),
    [
        (["text", "id"], {}),
        (["label"], {"label": "predicted_label"}),
        (["label", "predicted_label"], {"label": "predicted_label_2"}),
        (["label", "predicted_label", "predicted_label_2"], {"label": "predicted_label_3"}),
        (["p_no", "truncated"], {"p_no": "predicted_p_no", "truncated": "predicted_truncated"}),
        (["predicted_label"], {}),
    ],
)
def test_the_columns_of_the_input_keep_their_names(taken: list[str], renamed: dict[str, str]) -> None:
    new = new_names(taken, own_columns(["no", "yes"]).names)
    assert new == {name: renamed.get(name, name) for name in OWN}
    assert len({*taken, *new.values()}) == len(taken) + len(OWN)


@pytest.mark.parametrize(("names", "label"), [([2, 10], pa.int64()), (["2", "b"], pa.string())])
def test_columns_have_the_types_of_their_values(names: list[int | str], label: pa.DataType) -> None:
    [prediction] = answers(names, np.array([[0.25, 0.75]]), np.array([False]), np.array([False]))
    for top_k in (None, 1, 2, 9):
        columns, schema = prediction.columns(top_k), own_columns(names, top_k)
        assert list(columns) == schema.names
        assert pa.Table.from_pylist([columns], schema).to_pylist() == [columns]
        assert schema.field("label").type == label


def test_the_most_probable_classes_are_named_in_order() -> None:
    off = np.array([False])
    [prediction] = answers([10, 2, 30], np.array([[0.3, 0.3, 0.4]]), off, off)
    columns = prediction.columns(3)
    assert [columns[name] for name in ("label", "label_2", "label_3")] == [30, 10, 2], "of equal ones the first"
    assert [columns[name] for name in ("probability", "probability_2", "probability_3")] == [0.4, 0.3, 0.3]
    assert list(prediction.columns(1)) == ["label", "probability", "abstained", "truncated"]


@pytest.mark.parametrize("top_k", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("names", [[10, 2, 30], ["b", "a", "ё"]])
def test_a_table_has_the_values_of_the_answers(names: list[int | str], top_k: int | None) -> None:
    probs_NC = np.array([[0.3, 0.3, 0.4], [1 / 3, 1 / 3, 1 / 3], [0.1, 0.7, 0.2], [0.0, 0.0, 1.0]])
    answered = Answered(probs_NC, np.array([True, False, False, True]), np.array([False, False, True, True]))
    found = as_table(names, answered, top_k)
    assert found.schema == own_columns(names, top_k)
    assert found.to_pylist() == [prediction.columns(top_k) for prediction in answers(names, *answered)]
