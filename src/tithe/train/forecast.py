"""The memory that a run will hold at its peak, known before its first step; on a CPU.

What does not depend on the rows follows from the sizes of the trained weights: each has a gradient and AdamW's two
averages, and weights that were mapped from a file become memory of their own when the first step changes them. What a
micro-batch needs is counted on the longest row, once and twice in a batch, tensor by tensor (`LiveTensors`); more rows
are on the line through the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tithe import config
from tithe.arrays import Rows
from tithe.models import encoders, features, inference, trial_pass
from tithe.models.examples import Batch, Examples, Varied
from tithe.models.partial import adapters
from tithe.models.partial.word_table import WordTable
from tithe.tasks import Task
from tithe.train import memory, trainer
from tithe.train.live_tensors import LiveTensors

KERNELS = 64 << 20  # bytes of those that every run compiles
# A product in bf16 has a kernel for each shape of a batch, of 0.8 MB on a CPU with two cores; oneDNN keeps so many.
_OF_SHAPE, _MOST_KERNELS = 800_000, 1024
_OF_ATTENTION = 6  # products of its own: two forward, four backward
_HOLES = 0.1  # what the heap can't use again, as a share of the rest: without it forecasts were 4 to 19 % too low
# States for which it finds no place again, of each layer, where a state is large: so it was with 4 and with 22 layers,
# with states of 12 and of 25 MB, kept or computed again, and not with states of 6 MB.
_LOST, _LARGE = 5, 8 << 20


@dataclass(frozen=True)
class Line:
    """Bytes of a batch by its number of rows."""

    fixed: int = 0
    per_row: int = 0

    def at(self, rows: int) -> int:
        """Return the bytes of so many rows."""
        return self.fixed + rows * self.per_row


@dataclass(frozen=True)
class Forecast:
    """Bytes of private memory that a run holds at its peak, by what they are for.

    Attributes
    ----------
    present
        What the process has already: Python, libraries, data.
    weights
        Trained weights that are still mapped from their file. With adapters, their sums with the encoder's weights: in
        memory when they are saved, and at the end in the place of the weights.
    gradients, averages
        Those of the trained weights; averages of the weights included, if any.
    table
        The gradient of the table of words, if it is trained, which is new in every micro-batch.
    kernels
        Compiled ones, for the shapes of batches.
    training, evaluation
        What a micro-batch needs, and a batch without gradients.
    state, layers
        The hidden states that a layer of the encoder returns for one row, and how many layers there are.
    batch_size, evaluated_rows
        Rows of the one and of the other.
    accumulates
        Whether gradients are kept from micro-batch to micro-batch.
    """

    present: int
    weights: int
    gradients: int
    averages: int
    table: int
    kernels: int
    training: Line
    evaluation: Line
    state: int
    layers: int
    batch_size: int
    evaluated_rows: int
    accumulates: bool

    @property
    def batch(self) -> int:
        """Bytes of a micro-batch and its gradients, or of a batch in evaluation where that is more."""
        states = self.training.at(self.batch_size)
        # Without accumulation the gradients come while the states of the layers go. That of the table is the last.
        step = self.gradients + max(states, self.table) if self.accumulates else max(states, self.gradients)
        return max(step, self.evaluation.at(self.evaluated_rows))

    @property
    def lost(self) -> int:
        """Bytes of the heap between large states."""
        state = self.batch_size * self.state
        return _LOST * self.layers * state if state > _LARGE else 0

    @property
    def growth(self) -> int:
        """Bytes that the run needs beyond what the process has already."""
        return int((1 + _HOLES) * (self.weights + self.averages + self.batch + self.kernels)) + self.lost

    @property
    def peak(self) -> int:
        """All of it."""
        return self.present + self.growth


@dataclass(frozen=True)
class Subject:
    """What a forecast is about.

    Attributes
    ----------
    task
        The run's task.
    model
        A classifier before training, trimmed and frozen as configured; it does not change.
    examples
        All rows, encoded by the task.
    train_rows
        The training rows among them.
    accelerator
        Its precision; the device is a CPU.
    """

    task: Task
    model: nn.Module
    examples: Examples
    train_rows: Rows
    accelerator: Accelerator

    @property
    def settings(self) -> config.Train:
        """The config's `train` section."""
        return self.task.run.train

    @property
    def is_on_features(self) -> bool:
        """Whether the encoder runs once, without gradients, and only the head is trained."""
        return self.task.run.trains_a_head


def is_possible(accelerator: Accelerator) -> bool:
    """Return whether this system reports the memory of a process, and the run is one process on a CPU."""
    alone_on_cpu = accelerator.device.type == "cpu" and accelerator.num_processes == 1
    return alone_on_cpu and memory.free_memory() is not None and memory.process_memory("RssAnon") > 0


def of(subject: Subject) -> Forecast:
    """Return the forecast of a run; its encoder runs forward and backward over three rows.

    Where the encoder is frozen and its features are cached, nothing of it is trained, and only the pass that computes
    them counts.
    """
    present = memory.process_memory("RssAnon")  # first: what the rows below need is not given back
    settings, at_once = subject.settings, subject.task.rows_at_once
    if subject.is_on_features:
        head = subject.model.head if isinstance(subject.model, features.Embedder) else subject.model
        trained, training = list(head.parameters()), Line()
        at_once = len(features.batches(subject.examples, subject.accelerator)[0])
    else:
        trained = [p for p in subject.model.parameters() if p.requires_grad]
        training = training_line(subject, settings.checkpoint_activations)
    sizes = [p.numel() * p.element_size() for p in trained]
    state, layers = (0, 0) if subject.is_on_features else _states(subject)
    mapped = memory.mapped_files()
    return Forecast(
        present=present,
        weights=2 * adapters.sizes(subject.model)
        + sum(s for s, p in zip(sizes, trained, strict=True) if any(p.data_ptr() in part for part in mapped)),
        gradients=sum(sizes),
        averages=_averages(trained, settings),
        table=0 if subject.is_on_features else _table(subject.model),
        kernels=_kernels(subject),
        training=training,
        evaluation=_evaluation_line(subject),
        state=state,
        layers=layers,
        batch_size=min(settings.batch_size, len(subject.train_rows)),
        evaluated_rows=min(at_once, len(subject.examples)),
        accumulates=settings.accumulation_steps > 1,
    )


def _states(subject: Subject) -> tuple[int, int]:
    """Return the bytes of the longest row's hidden states, and the layers of the encoder; zeros where it has none."""
    lengths_N, encoder = subject.examples.lengths, getattr(subject.model, "encoder", None)
    if lengths_N is None or encoder is None or not len(subject.train_rows):
        return 0, 0
    configuration = getattr(encoder, "network", encoder).config  # one of images is inside of its normalisation
    width, layers = (getattr(configuration, name, 0) for name in ("hidden_size", "num_hidden_layers"))
    return int(lengths_N[subject.train_rows].max()) * width * torch.float32.itemsize, layers


def _averages(trained: Sequence[nn.Parameter], settings: config.Train) -> int:
    """Return the bytes of AdamW's two averages, and of those of the weights, if any."""
    of_adamw = torch.bfloat16 if settings.optimizer_state == "bf16" else torch.float32
    own = sum(p.numel() * (of_adamw if p.ndim >= 2 else p.dtype).itemsize for p in trained)
    return 2 * own + (sum(p.numel() * p.element_size() for p in trained) if settings.ema_decay else 0)


def _table(model: nn.Module) -> int:
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding | WordTable)]
    return max((table.numel() * table.element_size() for table in tables if table.requires_grad), default=0)


def _kernels(subject: Subject) -> int:
    """Return the bytes of compiled kernels: many where batches of many lengths are multiplied in bf16 on a CPU."""
    lengths_N = subject.examples.lengths
    if lengths_N is None or subject.accelerator.mixed_precision != "bf16":
        return KERNELS
    matrices = len({module.weight.shape for module in subject.model.modules() if isinstance(module, nn.Linear)})
    if subject.is_on_features:
        cuts, products = features.batches(subject.examples, subject.accelerator), matrices
    else:
        plan = trainer.plan(subject.examples.take(subject.train_rows), subject.settings, subject.task.run.seed)
        cuts = [subject.train_rows[rows] for step in plan.epoch(0) for rows in plan.micro(step)]
        products = 3 * matrices + _OF_ATTENTION
    shapes = {(len(rows), int(lengths_N[rows].max())) for rows in cuts}
    return KERNELS + min(_MOST_KERNELS, len(shapes) * products) * _OF_SHAPE


def training_line(subject: Subject, computes_again: bool) -> Line:
    """Return what a micro-batch of the longest training rows needs, with its layers computed again or kept."""
    twin = trial_pass.twin(subject.model)
    if computes_again and not subject.settings.checkpoint_activations:
        encoders.checkpoint_activations(twin.encoder, subject.task.run.model.encoder)
    for module in twin.modules():
        if isinstance(module, nn.Embedding | WordTable):
            module.requires_grad_(False)  # its gradient is the last, and counts elsewhere
    for parameter in (p for p in twin.parameters() if p.requires_grad):
        parameter.register_post_accumulate_grad_hook(_drop_gradient)
    criterion = subject.task.criterion()

    def step(batch: Batch) -> None:
        with subject.accelerator.autocast():
            outputs = twin(batch)
        result = criterion(outputs, batch)
        (result[0] if isinstance(result, tuple) else result).backward()

    return _line(subject, subject.train_rows, step)


def _evaluation_line(subject: Subject) -> Line:
    """Return what a batch of the longest rows needs without gradients."""
    twin = trial_pass.twin(subject.model)

    def evaluate(batch: Batch) -> None:
        with inference.evaluating(twin):
            inference.of_batch(twin, twin, batch, subject.accelerator.autocast)

    return _line(subject, np.arange(len(subject.examples)), evaluate)


def _line(subject: Subject, rows: Rows, run: Callable[[Batch], None]) -> Line:
    """Return the line through the bytes of one and of two rows: of the longest one, twice."""
    examples = subject.examples.at_epoch(0) if isinstance(subject.examples, Varied) else subject.examples
    longest = rows[:1] if examples.lengths is None else rows[[examples.lengths[rows].argmax()]]
    one, two = (_peak(examples.collate(np.repeat(longest, count)), run) for count in (1, 2))
    return Line(max(0, 2 * one - two), max(0, two - one))


def _peak(batch: Batch, run: Callable[[Batch], None]) -> int:
    live = LiveTensors()
    with trial_pass.undisturbed(torch.device("cpu")), live:
        run(batch)
    return live.peak


def _drop_gradient(parameter: nn.Parameter) -> None:
    parameter.grad = None
