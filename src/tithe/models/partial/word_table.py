"""The embedding table of an encoder in training: only the words of the data are in memory, and in the optimizer.

A row of another word has no gradient, so AdamW's averages of it stay zero and a step multiplies it by 1 − lr · decay.
These factors are collected, and applied one after the other when the whole table is asked for: on a CPU that gives the
bits of a table that was trained whole, on a GPU its last digit may differ, since AdamW's kernel there subtracts
lr · decay · weight. A state dict of the model or of its optimizer always has the whole table, wherever it is loaded.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tithe import config
from tithe.arrays import Rows
from tithe.checkpoints import tensors
from tithe.config.schema import AUTO
from tithe.errors import InputError
from tithe.models.classifier import Classifier
from tithe.models.tokens import TextExamples
from tithe.storage import cache

logger = logging.getLogger("tithe")

_WORTH_IT = 0.8  # the largest share of a table to train without its other rows, under `auto`
_BLOCK = 1 << 16  # weights that stay in a core's cache while all factors are applied
_TOKENS = 1 << 24  # token ids read at once


def trim(model: Classifier, run: config.Run, examples: TextExamples) -> None:
    """Replace the encoder's table by one of the words in the examples, where `model.trim_vocabulary` asks for it.

    Raises
    ------
    InputError
        It is `true`, and this table can't be trained in part.
    """
    setting = run.model.trim_vocabulary
    if setting is False or tables(model):
        return
    table = _table(model)
    obstacle = _obstacle(model, table, run)
    if obstacle and setting is True:
        raise InputError(f"model.trim_vocabulary true: {obstacle}: set it to auto or false")
    if obstacle or table is None:
        return
    ids = used_ids(examples, len(table.weight), table.padding_idx)
    if setting == AUTO and len(ids) > _WORTH_IT * len(table.weight):
        return
    logger.info(
        "the data have %d of the encoder's %d words: only these are in memory in training", len(ids), len(table.weight)
    )
    _replace(model, table, WordTable(table, ids))


def spare_bytes(model: Classifier, run: config.Run, examples: TextExamples) -> int:
    """Return the bytes of the words that `trim` could leave out and has not."""
    table = _table(model)
    if table is None or _obstacle(model, table, run):
        return 0
    words, width = table.weight.shape
    return (words - len(used_ids(examples, words, table.padding_idx))) * width * table.weight.element_size()


def restore(model: nn.Module) -> None:
    """Give a trimmed model its whole table back."""
    for table in tables(model):
        _replace(model, table, table.embedding())


def tables(model: nn.Module) -> list[WordTable]:
    """Return the trimmed tables of a model: one or none."""
    return [module for module in model.modules() if isinstance(module, WordTable)]


def used_ids(examples: TextExamples, words: int, padding: int | None) -> Rows:
    """Return the token ids that a table of so many words needs for the given texts and for padding, ascending."""
    is_used = np.zeros(words, dtype=bool)
    for start in range(0, len(examples.tokens), _TOKENS):
        is_used[examples.tokens[start : start + _TOKENS]] = True
    is_used[[examples.pad, *([] if padding is None else [padding])]] = True
    return np.flatnonzero(is_used)


def _table(model: Classifier) -> nn.Embedding | None:
    with contextlib.suppress(NotImplementedError):
        found = model.encoder.get_input_embeddings()  # type: ignore[operator]
        return found if type(found) is nn.Embedding else None
    return None


def _obstacle(model: Classifier, table: nn.Embedding | None, run: config.Run) -> str | None:
    """Return why a table can't be trained in part; None if it can."""
    if table is None:
        return f"the words of '{run.model.encoder}' are not in a plain embedding table"
    if not table.weight.requires_grad:
        what = "model.lora" if run.model.lora else f"model.freeze {run.model.freeze}"
        return f"{what} keeps all words as they are"
    named = model.named_parameters(remove_duplicate=False)
    if sum(parameter is table.weight for _, parameter in named) > 1:
        return f"'{run.model.encoder}' uses the table of its words in another place too"
    if table.max_norm is not None or table.scale_grad_by_freq or table.sparse:
        return f"the table of '{run.model.encoder}' changes its rows or gradients by itself"
    if run.train.ema_decay:
        return f"train.ema_decay {run.train.ema_decay:g} averages every word at every step"
    return None


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in model.modules():
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)


class WordTable(nn.Module):
    """An embedding table that holds some of its rows.

    Parameters
    ----------
    table
        All rows, shape (V, D). They are not copied before they change, nor kept in memory afterwards.
    ids
        Ids of the rows to hold, ascending, shape (K,).
    """

    def __init__(self, table: nn.Embedding, ids: Rows) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = *table.weight.shape, table.padding_idx
        self._ids_K = torch.from_numpy(ids)
        self._place_V = torch.full((self.num_embeddings,), -1)  # no buffer: it is no part of the encoder
        self._place_V[self._ids_K] = torch.arange(len(ids))
        self._padding = None if table.padding_idx is None else int(self._place_V[table.padding_idx])
        rows_VD = table.weight.detach()
        self.weight = nn.Parameter(rows_VD[self._ids_K])
        self._whole = _Whole(rows_VD)
        self._averages: dict[str, torch.Tensor] = {}

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the rows of token ids, shape (…, D)."""
        self._place_V = self._place_V.to(ids.device)
        return F.embedding(self._place_V[ids], self.weight, self._padding)

    def whole(self) -> torch.Tensor:
        """Return all rows as they are now, shape (V, D), in a file; the next call changes them in place."""
        rows_VD = self._whole.updated()
        rows_VD[self._ids_K] = self.weight.detach().cpu()
        return rows_VD

    def embedding(self) -> nn.Embedding:
        """Return the whole table as an ordinary module on the same device."""
        table: nn.Embedding = nn.Embedding.from_pretrained(self.whole(), freeze=False, padding_idx=self.padding_idx)
        return table.to(self.weight.device)

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Collect the decay of every step of an optimizer, and give its state dicts the averages of all rows."""
        optimizer.register_step_post_hook(self._collect)
        optimizer.register_state_dict_post_hook(self._widened)
        optimizer.register_load_state_dict_pre_hook(self._narrowed)

    def _collect(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        overflow = getattr(optimizer, "found_inf", None)
        if overflow is not None and float(overflow):
            return  # of a scaled loss: the kernel has left all weights as they were
        (group,) = (group for group in optimizer.param_groups if any(p is self.weight for p in group["params"]))
        self._whole.decay(1 - group["lr"] * group["weight_decay"])

    def _widened(self, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        return self._with_averages(optimizer, state, self._wide)

    def _narrowed(self, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        return self._with_averages(optimizer, state, self._narrow)

    def _with_averages(self, optimizer: torch.optim.Optimizer, state: dict[str, Any], change: Any) -> dict[str, Any]:
        """Return an optimizer's state with changed averages of this table."""
        every = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        place = next(i for i, parameter in enumerate(every) if parameter is self.weight)
        own = state["state"].get(place)
        if own is None:  # before the first step
            return state
        changed = {name: change(name, value) if value.ndim else value for name, value in own.items()}
        return {**state, "state": {**state["state"], place: changed}}

    def _wide(self, name: str, rows_KD: torch.Tensor) -> torch.Tensor:
        if name not in self._averages:
            self._averages[name] = _on_disk((self.num_embeddings, self.embedding_dim), rows_KD.dtype)
        self._averages[name][self._ids_K] = rows_KD.detach().cpu()
        return self._averages[name]

    def _narrow(self, name: str, rows_VD: torch.Tensor) -> torch.Tensor:
        rows_KD = rows_VD[self._ids_K.to(rows_VD.device)]
        if torch.count_nonzero(rows_KD) < torch.count_nonzero(rows_VD):
            raise InputError(
                "the checkpoint was trained on words that these data do not have, and still moves them: set "
                "model.trim_vocabulary to false"
            )
        return rows_KD

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = self.whole()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        _, _, missing, _, errors = rest
        rows_VD = state_dict.get(f"{prefix}weight")
        if rows_VD is None:
            missing.append(f"{prefix}weight")
        elif rows_VD.shape != (self.num_embeddings, self.embedding_dim):
            errors.append(f"{prefix}weight has shape {list(rows_VD.shape)}")
        else:
            self._whole = _Whole.of(rows_VD)
            with torch.no_grad():
                self.weight.copy_(rows_VD[self._ids_K.to(rows_VD.device)])


class _Whole:
    """All rows of a table as they were some steps ago, and the factors of the steps since then."""

    def __init__(self, rows_VD: torch.Tensor) -> None:
        self._rows_VD = rows_VD
        self._is_own = False  # to change in place
        self._factors: list[float] = []

    @classmethod
    def of(cls, rows_VD: torch.Tensor) -> Self:
        """Return a copy of rows, out of memory."""
        whole = cls(rows_VD)
        whole.updated()
        return whole

    def __deepcopy__(self, memo: dict[int, Any]) -> _Whole:
        """Return a twin on the same rows; from now on neither changes them in place."""
        self._is_own = False
        twin = _Whole(self._rows_VD)
        twin._factors = list(self._factors)
        return twin

    def decay(self, factor: float) -> None:
        """Note the factor of a step."""
        if factor != 1:
            self._factors.append(factor)

    def updated(self) -> torch.Tensor:
        """Apply the factors, and return the rows."""
        if self._is_own and not self._factors:
            return self._rows_VD
        target_VD = self._rows_VD if self._is_own else _on_disk(self._rows_VD.shape, self._rows_VD.dtype)
        for rows in _blocks(self._rows_VD):
            block = self._rows_VD[rows].cpu().clone()
            for factor in self._factors:
                block.mul_(factor)
            target_VD[rows] = block
        self._rows_VD, self._is_own, self._factors = target_VD, True, []
        return target_VD


def _blocks(rows_VD: torch.Tensor) -> Iterator[slice]:
    step = max(1, _BLOCK // rows_VD.shape[1])
    return (slice(start, start + step) for start in range(0, len(rows_VD), step))


def _on_disk(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return zeros in a file that is gone with them: memory that the system can take back at any time."""
    folder = cache.cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    size = int(np.prod(shape)) * dtype.itemsize
    with tensors.disk_explained(folder), tempfile.TemporaryFile(dir=folder) as file:
        for start in range(0, size, _TOKENS):  # a file with holes would end the process where the disk is full
            file.write(bytes(min(_TOKENS, size - start)))
        file.flush()
        mapped = np.memmap(file, dtype=np.uint8, mode="r+", shape=(size,))
    return torch.from_numpy(mapped).view(dtype).view(shape)
