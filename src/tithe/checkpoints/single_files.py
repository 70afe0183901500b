"""The documented single files: state dicts of the best and the final weights, label maps and tokenizer."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from tithe import storage
from tithe.checkpoints import tensors
from tithe.data.splits import Splits
from tithe.storage.run_files import ASSETS, BEST, FINAL, HEAD, ID_TO_LABEL, LABEL_TO_ID, TOKENIZER


def save_final(home: Path, model: nn.Module) -> None:
    """Write `final_model.pt`: the classifier's weights after the last step."""
    tensors.save(home / FINAL, model.state_dict())


def save_best(home: Path, model: nn.Module, splits: Splits) -> None:
    """Write `best_model.pt`, the weights of its head, the label maps and the tokenizer."""
    tensors.save(home / BEST, model.state_dict())
    tensors.save(home / HEAD, model.get_submodule("head").state_dict())
    names = [splits.symbols.get(str(name), str(name)) for name in splits.labels.names]
    storage.write_json(home / LABEL_TO_ID, {name: i for i, name in enumerate(names)})
    storage.write_json(home / ID_TO_LABEL, {str(i): name for i, name in enumerate(names)})
    with storage.atomic_folder(home / TOKENIZER) as aside:
        storage.link_tree(home / ASSETS / TOKENIZER, aside)
