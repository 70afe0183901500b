"""TensorBoard: event files in a folder of the run directory, read by `tensorboard --logdir <home>`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tithe import storage
from tithe.storage.run_files import TENSORBOARD

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# A killed process loses at most this much; the writer's own default is two minutes.
FLUSH_SECONDS = 10


def check(settings: Mapping[str, Any]) -> None:
    """Accept any settings: none can be wrong."""


def open(home: Path, settings: Mapping[str, Any], name: str) -> TensorBoard:
    """Start writing one run's event file.

    Parameters
    ----------
    home
        The run's directory.
    settings
        Optional `folder`: where events are written, relative to `home`; `tensorboard` when unset. Optional
        `resume_step`: the first step this process writes. TensorBoard hides what an earlier process of the same run
        wrote at that step or later, so nothing is drawn twice.
    name
        The run's name, the title of its configuration.

    Source: https://docs.pytorch.org/docs/stable/tensorboard.html
    """
    from torch.utils.tensorboard import SummaryWriter

    resume = settings.get("resume_step")
    folder = home / settings.get("folder", TENSORBOARD)
    writer = SummaryWriter(str(folder), purge_step=resume, flush_secs=FLUSH_SECONDS)
    return TensorBoard(writer, home, name, resume or 0)


def write_trials(folder: Path, trials: Sequence[Mapping[str, Any]]) -> None:
    """Write the trials of a search as sessions of the HParams view, each in a folder of its own.

    Parameters
    ----------
    folder
        Of the run's events; a trial that is there is not written again.
    trials
        Those of `tuning.json`: `number`, `state`, `values` by section, and the scores of those that did not diverge.
    """
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    for trial in trials:
        home = folder / "trials" / str(trial["number"])
        if home.exists():
            continue
        scores = {f"trial/{name}": trial[name] for name in ("val_loss", "val_accuracy") if name in trial}
        values = {key: _hparam(value) for key, value in storage.flatten(trial["values"])}
        with SummaryWriter(str(home)) as writer:
            for summary in hparams({**values, "state": trial["state"]}, scores):
                writer._get_file_writer().add_summary(summary)
            for name, score in scores.items():
                writer.add_scalar(name, score)


class TensorBoard:
    """A tracker that writes to one event file.

    A figure or a file has no step of its own: it gets the step of the latest scalars.
    """

    def __init__(self, writer: SummaryWriter, home: Path, name: str, step: int) -> None:
        self._writer = writer
        self._home = home
        self._name = name
        self._step = step

    def params(self, values: Mapping[str, object]) -> None:
        """Write the configuration twice: a table to read (Text) and columns to compare (HParams)."""
        from torch.utils.tensorboard.summary import hparams

        flat = {key: _hparam(value) for key, value in storage.flatten(values)}
        self._writer.add_text("config", _table(self._name, flat), self._step)
        # `SummaryWriter.add_hparams` would open a second run in a subdirectory. Without the Experiment summary, the
        # first of the three, TensorBoard offers every scalar of the run as a metric.
        _, start, _ = hparams(flat, {})
        self._summary(start)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write the values at a step."""
        self._step = step
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def figure(self, name: str, path: Path) -> None:
        """Write a PNG as an image."""
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            pixels_HWC = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels_HWC, self._step, dataformats="HWC")

    def artifact(self, name: str, path: Path) -> None:
        """Write the path of the file: TensorBoard does not store files."""
        relative = path.relative_to(self._home) if path.is_relative_to(self._home) else path
        self._writer.add_text(f"artifacts/{name}", f"`{relative}`", self._step)

    def close(self, status: str) -> None:
        """Write the final status and close the file."""
        from torch.utils.tensorboard.summary import hparams

        self._writer.add_text("status", status, self._step)
        if status == "finished":  # the only status torch can write; otherwise HParams shows "unknown"
            _, _, end = hparams({}, {})
            self._summary(end)
        self._writer.close()

    def _summary(self, summary: Any) -> None:
        self._writer._get_file_writer().add_summary(summary, self._step)


def _hparam(value: object) -> float | str:
    """Return a value that the HParams view supports; torch would write True as 1."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else str(value)


def _table(name: str, flat: Mapping[str, object]) -> str:
    """Return a Markdown table; values are escaped so that they can't end a cell or a row."""
    rows = (f"| {key} | {_cell(value)} |" for key, value in flat.items())
    return "\n".join([f"**{_cell(name)}**", "", "| setting | value |", "|---|---|", *rows])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
