"""TensorBoard, against the files its real client leaves on disk."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf.struct_pb2 import Value
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from support.tracked import PARAMS
from tithe.track.trackers import tensorboard


def events(home: Path) -> EventAccumulator:
    reader = EventAccumulator(str(home / "tensorboard"))
    reader.Reload()
    return reader


def text(reader: EventAccumulator, tag: str) -> str:
    return reader.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode()


def hparams(reader: EventAccumulator) -> dict[str, HParamsPluginData]:
    """The start and the end of the session, where they were written."""
    found = reader.PluginTagToContent("hparams")
    return {tag.split("_")[-2]: HParamsPluginData.FromString(data) for tag, data in found.items()}


def test_tensorboard_holds_what_was_logged(home: Path, png: Path) -> None:
    track = tensorboard.open(home, {}, "first")
    track.params(PARAMS)
    track.scalars({"train/batch_loss": 0.5, "val/accuracy": 0.25}, 3)
    track.scalars({"train/batch_loss": float("nan")}, 4)
    track.figure("test/confusion_matrix", png)
    track.artifact("report", home / "report.json")
    track.close("finished")

    reader = events(home)
    loss = reader.Scalars("train/batch_loss")
    assert [(e.step, e.value) for e in loss[:1]] == [(3, 0.5)]
    assert np.isnan(loss[1].value)
    assert [(e.step, e.value) for e in reader.Scalars("val/accuracy")] == [(3, 0.25)]
    image = reader.Images("test/confusion_matrix")[0]
    assert (image.step, image.height, image.width) == (4, 4, 6)
    (home / "back.png").write_bytes(image.encoded_image_string)
    assert Image.open(home / "back.png").getpixel((0, 0)) == (200, 0, 0)
    assert "`report.json`" in text(reader, "artifacts/report")
    assert text(reader, "status") == "finished"


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_tensorboard_shows_the_configuration_without_a_second_run(home: Path, status: str) -> None:
    track = tensorboard.open(home, {}, "first")
    track.params(PARAMS)
    track.close(status)

    reader = events(home)
    table = text(reader, "config").splitlines()
    assert table[0] == "**first**"
    assert "| model.name | tiny\\|one |" in table
    assert "| training.layers | [1, 2] |" in table
    session = hparams(reader)
    start = session["start"].session_start_info.hparams
    assert start["model.dropout"].number_value == 0.1
    assert start["training.freeze"].string_value == "True"
    assert start["seed"].number_value == 7
    ends = [data.session_end_info.status for tag, data in session.items() if tag == "end"]
    assert ends == ([STATUS_SUCCESS] if status == "finished" else [])
    assert [p.name.split(".")[2] for p in (home / "tensorboard").iterdir()] == ["tfevents"]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"resume_step": 3}, [(1, 1), (2, 2), (3, 30), (4, 40)]),
        ({}, [(i, i) for i in range(1, 6)] + [(3, 30), (4, 40)]),
    ],
)
def test_tensorboard_hides_the_steps_a_resumed_run_writes_again(
    home: Path, settings: dict[str, int], kept: list[tuple[int, int]]
) -> None:
    crashed = tensorboard.open(home, {}, "first")
    for step in range(1, 6):
        crashed.scalars({"loss": step}, step)
    crashed.close("stopped")
    for path in (home / "tensorboard").iterdir():  # files of one second are read in the order of their numbers as text
        path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0")))
    resumed = tensorboard.open(home, settings, "first")
    for step in (3, 4):
        resumed.scalars({"loss": 10 * step}, step)
    resumed.close("finished")

    assert [(e.step, e.value) for e in events(home).Scalars("loss")] == kept


TRIALS = [
    {"number": 0, "state": "finished", "val_loss": 0.5, "val_accuracy": 0.75, "values": {"train": {"betas": [0.9, 1]}}},
    {"number": 7, "state": "diverged", "values": {"train": {"learning_rate": 0.1}}},
]


def test_the_trials_of_a_search_are_sessions_of_the_hparams_view(home: Path) -> None:
    for _ in range(2):  # a search that goes on writes none again
        tensorboard.write_trials(home / "tensorboard", TRIALS)
    for trial, values in zip(TRIALS, ({"train.betas": "[0.9, 1]"}, {"train.learning_rate": 0.1}), strict=True):
        folder = home / "tensorboard" / "trials" / str(trial["number"])
        assert len(list(folder.iterdir())) == 1
        reader = EventAccumulator(str(folder)).Reload()
        start = hparams(reader)["start"].session_start_info.hparams
        assert {key: _plain(value) for key, value in start.items()} == {**values, "state": trial["state"]}
        scores = {tag: reader.Scalars(tag)[0].value for tag in reader.Tags()["scalars"]}
        assert scores == {f"trial/{name}": trial[name] for name in ("val_loss", "val_accuracy") if name in trial}


def _plain(value: Value) -> float | str:
    return value.number_value if value.HasField("number_value") else value.string_value
