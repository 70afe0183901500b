"""The schema of a prediction: one for Python, JSON and tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tithe.predict.prediction import Prediction, answers, new_names, table_schema

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
    new = new_names(taken, ["no", "yes"])
    assert new == {name: renamed.get(name, name) for name in OWN}
    assert len({*taken, *new.values()}) == len(taken) + len(OWN)


@pytest.mark.parametrize(("names", "label"), [([2, 10], pa.int64()), (["2", "b"], pa.string())])
def test_a_table_has_the_columns_of_the_input_first(names: list[int | str], label: pa.DataType) -> None:
    kept = pa.schema([("probability", pa.string()), ("text", pa.string())])
    schema = table_schema(names, kept)
    assert schema.names[:4] == ["probability", "text", "label", "predicted_probability"]
    assert [schema.field(name).type for name in ("probability", "label", "abstained", "truncated")] == [
        *(pa.string(), label, pa.bool_(), pa.bool_())
    ]
    assert schema.field("predicted_probability").type == pa.float64()
