"""Text classification: an encoder of the `AutoModel` family, pooling, and a head."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tithe import config, data, metrics, storage
from tithe.arrays import Array, Rows
from tithe.checkpoints.state import CONFIGURATION, TOKENIZER
from tithe.config import unused
from tithe.data import Dataset, sources, splits
from tithe.data.clean import clean_text
from tithe.errors import InputError
from tithe.models import classifier, encoders, inference, kernels, padding, tokens, vocabulary, windows
from tithe.models.classifier import Classifier
from tithe.models.examples import Batch
from tithe.models.heads import native
from tithe.models.partial import adapters, freeze
from tithe.models.tokens import TextExamples
from tithe.models.windows import Windows
from tithe.storage import cache, freeze_proof
from tithe.tasks.protocol import Criterion, Task

_VERSION = 2  # part of every key of tokenised texts
_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True)
class Text:
    """The text task of one run: the encoder's configuration, tokenizer and settings.

    Attributes
    ----------
    run
        The config; its `model` section describes the network.
    encoder
        The encoder's Hugging Face configuration.
    tokenizer
        The encoder's tokenizer.
    source
        Folder or hub name of the pretrained weights, None if the weights come from a checkpoint.
    pooling
        Resolved pooling: cls or mean.
    """

    progress_label: ClassVar = ("tokenising", "texts")
    rows_at_once: ClassVar = inference.PER_BATCH

    run: config.Run
    encoder: Any
    tokenizer: Any
    source: str | None
    pooling: str

    @property
    def settings(self) -> config.Model:
        """The config's `model` section."""
        return self.run.model

    def load(self) -> splits.Splits:
        """Return the config's rows, cleaned and split; see `data.load`."""
        return data.load(self.run.data, self.run.seed)

    def with_data(self, path: Path, layout: config.Layout | None = None) -> Text:
        """Return the same task on another labelled file with the same columns."""
        own = self.run.data
        written = layout or (own.layout if sources.fits(path, own.layout) else config.Layout())
        columns: dict[str, Any] = {"text_column": own.text_column, "label_column": own.label_column}
        other = config.Data(path=str(path), **columns, **written.model_dump())
        return replace(self, run=self.run.model_copy(update={"data": other}))

    def load_labelled(self) -> tuple[Dataset, data.LabelMap, Mapping[str, int]]:
        """Return every usable row of the config's file, its classes, and what was left out; see `data.ingest`."""
        dataset, labels, folder = data.ingest(self.run.data)
        return dataset, labels, storage.read_json(folder / "report.json")["dropped"]

    def warnings(self, rates: Sequence[float], is_new: bool) -> list[str]:
        """Return no warnings."""
        return []

    def build(self, classes: int, seed: int) -> Classifier:
        """Return the network, frozen as configured; pretrained if there is a source, else random.

        Raises
        ------
        InputError
            The encoder's weights can't be loaded, or its answers depend on padding; see `padding.check`.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.settings.head == "native":
                model = native.build(self.encoder, self.source, self.settings, classes)
                self._width(model)
            else:
                encoder = encoders.build(self.encoder, self.source, self.settings.attention)
                model = Classifier(encoder, self.pooling, nn.Identity())
                width = self._width(model)
                model.head = classifier.head(self.settings, width, classes)
                if self.settings.windows:
                    model.windows = Windows(self.settings, self.tokenizer, self._pad, width)
            if self.settings.lora and self.source is not None:  # a checkpoint has them in its weights
                adapters.add(model, self.settings.lora)
        kernels.use_fast_kernels(model, attention=self.settings.attention == "auto")
        if self.run.train.checkpoint_activations:
            encoders.checkpoint_activations(model.encoder, self.settings.encoder)
        freeze.freeze(model, freeze_proof.LORA if adapters.are_in(model) else self.settings.freeze)
        return model

    def _width(self, model: Classifier) -> int:
        if self.settings.attention == "flash_attention_2":  # it runs on a GPU alone, and needs a mask
            return int(self.encoder.hidden_size)
        return padding.check(
            model, self.examples(padding.SHORT_AND_LONG), self.settings.encoder, is_trained=self.source is None
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must match to be loaded."""
        s = self.settings
        sizes = {k: v for k, v in self.encoder.to_dict().items() if type(v) is int and not k.endswith("_id")}
        return {
            "encoder": self.encoder.model_type,
            **dict(sorted(sizes.items())),
            "pooling": self.pooling,
            "head": s.head,
            "hidden_dim": s.hidden_dim if s.head == "mlp" else None,
            "max_length": s.max_length,
            "tokenizer": _tokenizer_hash(self.tokenizer),
            **({} if s.freeze == "none" else {"freeze": s.freeze}),
            **self._windows,
            **({"lora": json.dumps(s.lora.model_dump(mode="json"))} if s.lora else {}),
        }

    @property
    def _windows(self) -> dict[str, Any]:
        return {"windows": json.dumps(self.settings.windows.model_dump())} if self.settings.windows else {}

    def encoder_key(self) -> dict[str, str]:
        """Return the hash of the encoder's configuration, without path and version; pooling; attention."""
        sha256 = encoders.config_hash(self.encoder)
        length = {"max_length": str(self.settings.max_length), **self._windows} if self.settings.windows else {}
        return {"config": sha256, "pooling": self.pooling, "attention": self.settings.attention, **length}

    def save(self, folder: Path) -> None:
        """Write what `restore` needs in addition to the weights: the encoder's configuration and the tokenizer."""
        self.encoder.save_pretrained(folder / CONFIGURATION)
        self.tokenizer.save_pretrained(folder / TOKENIZER)

    def encode(self, dataset: Dataset, tick: Callable[[int], object] = lambda rows: None) -> TextExamples:
        """Tokenise every row of a dataset once and keep the result in the cache.

        Parameters
        ----------
        tick
            Called with the number of texts of each finished chunk.

        Raises
        ------
        InputError
            The tokenizer does not know the words of the texts.
        """
        self._check_known(dataset)
        identity = dataset.fingerprint, _tokenizer_hash(self.tokenizer), self.settings.reach
        key = storage.digest([_VERSION, *identity])
        folder = cache.place("tokens", key)
        if not cache.is_whole(folder):
            with storage.atomic_folder(folder) as aside:
                self._tokenise(dataset, aside, tick)
            cache.make_room()
        else:
            tick(len(dataset))
        flat = np.load(folder / "tokens.npy", mmap_mode="r")
        offsets = np.load(folder / "offsets.npy")
        uncut, rows = np.load(folder / "uncut.npy"), np.arange(len(dataset))
        return TextExamples(flat, offsets, rows, dataset.labels, dataset.ids, self._pad, uncut)

    def _check_known(self, dataset: Dataset) -> None:
        texts = dataset.take(vocabulary.sample(len(dataset))).inputs()
        vocabulary.check_known(self.tokenizer, texts, f"model.encoder '{self.settings.encoder}'", self.source)

    def _tokenise(self, dataset: Dataset, folder: Path, tick: Callable[[int], object]) -> None:
        lengths, uncut = [np.zeros(1, dtype=np.int64)], list[Rows]()
        with (folder / "flat").open("wb") as file:
            for start in range(0, len(dataset), _TEXTS_AT_ONCE):
                chunk, whole = self._token_ids(dataset.inputs(start, start + _TEXTS_AT_ONCE))
                lengths.append(np.array(list(map(len, chunk)), dtype=np.int64))
                uncut.append(np.array(whole, dtype=np.int64))
                np.fromiter(itertools.chain.from_iterable(chunk), "<i4", int(lengths[-1].sum())).tofile(file)
                tick(len(chunk))
        flat = np.memmap(folder / "flat", dtype="<i4", mode="r")
        np.save(folder / "tokens.npy", flat)
        (folder / "flat").unlink()
        np.save(folder / "offsets.npy", np.cumsum(np.concatenate(lengths)))
        np.save(folder / "uncut.npy", np.concatenate(uncut))

    def examples(self, inputs: Sequence[str]) -> TextExamples:
        """Tokenise texts in memory, for prediction; their labels are 0."""
        return TextExamples.unlabelled(*self._token_ids([clean_text(text) for text in inputs]), self._pad)

    def _token_ids(self, texts: list[str]) -> tokens.Tokenised:
        found = tokens.tokenise(self.tokenizer, texts, self.settings.reach)
        # A tokenizer without special tokens gives no tokens for an empty text; the network needs one.
        return tokens.Tokenised([ids or [self._pad] for ids in found.ids], [max(1, count) for count in found.uncut])

    @property
    def _pad(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)

    def probabilities(self, outputs: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return class probabilities, shape (N, C), of the network's outputs."""
        return inference.softmax(outputs)

    def scores(self, labels_N: Rows, outputs: Array) -> dict[str, float]:
        """Return the validation scores of the network's outputs; see `Task.scores`."""
        return metrics.summary(labels_N, self.probabilities(outputs))

    def criterion(self, label_smoothing: float = 0.0, class_weights: Array | None = None) -> Criterion:
        """Return the sum over rows of the cross-entropy in float32, smoothed (Szegedy et al. 2016) and weighted.

        Each row counts by the weight of its class and, where the batch has `weights`, by its own.
        """
        weights_C = None if class_weights is None else torch.from_numpy(class_weights)

        def loss(logits_BC: torch.Tensor, batch: Batch) -> torch.Tensor:
            weights = None if weights_C is None else weights_C.to(logits_BC.device)
            own_B = batch.get("weights")
            how = "sum" if own_B is None else "none"
            losses = F.cross_entropy(
                logits_BC.float(), batch["labels"], weights, reduction=how, label_smoothing=label_smoothing
            )
            return losses if own_B is None else (losses * own_B).sum()

        return loss


def check(run: config.Run) -> None:
    """Check a config's data settings before any data is read; see `data.load`."""
    unused.refuse(run, ("images", "data.hold_out", "data.validate_on"), "images", "texts")
    data.find_sources(run.data)
    data.symbols_of(run.data)
    data.corrections_of(run.data)


def open(run: config.Run) -> Task:
    """Locate the encoder and check that it supports the settings, before any weights are loaded.

    Raises
    ------
    InputError
        The encoder does not exist, its tokenizer has no words, `max_length` is more than its positions, or its
        attention is not available here.
    """
    settings = run.model
    source = encoders.find(settings.encoder)
    encoder, tokenizer = encoders.open_parts(source, source, settings.encoder)
    encoders.check(settings, encoder, tokenizer)
    windows.check(run, tokenizer)
    if settings.encoder_dropout is not None:
        encoder = encoders.with_dropout(encoder, settings.encoder_dropout)
    if settings.head == "native":
        return Text(run, encoder, tokenizer, source, native.pooling(settings, encoder))
    return Text(run, encoder, tokenizer, source, encoders.pooling(settings.pooling, source, encoder))


def restore(run: config.Run, folder: Path, fingerprint: Mapping[str, Any]) -> Task:
    """Return the task of a checkpoint from the files of `Text.save` and the checkpoint's fingerprint.

    Raises
    ------
    InputError
        One of them is missing, or is not one of this version.
    """
    if fingerprint.get("pooling") not in ("cls", "mean"):
        raise InputError(f"{folder} does not say how its encoder's states were pooled: train again with this version")
    encoder, tokenizer = encoders.open_parts(folder / CONFIGURATION, folder / TOKENIZER, str(folder))
    return Text(run, encoder, tokenizer, None, fingerprint["pooling"])


def _tokenizer_hash(tokenizer: Any) -> str:
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:
        return storage.digest([type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())])
    state = json.loads(fast.to_str())
    # The object also stores truncation and padding of its last call, which do not identify it.
    return storage.digest({k: v for k, v in state.items() if k not in ("truncation", "padding")})
