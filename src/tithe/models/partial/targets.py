"""The linear layers of an encoder that adapters are put beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import nn

from tithe import config
from tithe.config.schema import AUTO
from tithe.errors import InputError


def find(encoder: nn.Module, settings: config.Lora) -> list[str]:
    """Return the linear layers of an encoder that the `targets` and `blocks` of a config mean, each by its full name.

    Raises
    ------
    InputError
        There are none, none of such a name, or not as many blocks.
    """
    own = _linear(encoder)
    if own and isinstance(settings, config.ImageLora):
        blocks = _blocks(encoder, own)
        if settings.blocks > len(blocks):
            raise InputError(
                f"{settings.key}.blocks {settings.blocks} is more than the {len(blocks)} blocks of "
                f"{type(encoder).__name__}: {f'set it to {len(blocks)} or less' if blocks else 'leave it out'}"
            )
        own = [name for name in own if name.startswith(tuple(blocks[-settings.blocks :]))]
    if not own:
        raise InputError(f"{settings.key}: {type(encoder).__name__} has no linear layers: leave it out")
    if settings.targets == AUTO:
        return own
    for asked in settings.targets:
        if not any(_is_called(name, asked) for name in own):
            choices = ", ".join(sorted({name.rpartition(".")[2] for name in own}))
            raise InputError(
                f"{settings.key}.targets: no linear layer of {type(encoder).__name__} is called '{asked}': choose "
                f"among {choices}, or set it to auto"
            )
    return [name for name in own if any(_is_called(name, asked) for asked in settings.targets)]


def _linear(encoder: nn.Module) -> list[str]:
    """Return the linear layers of an encoder, by name, whose weights nothing else uses."""
    from transformers.pytorch_utils import Conv1D

    uses = Counter(id(parameter) for _, parameter in encoder.named_parameters(remove_duplicate=False))
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    return [name for name in linear if uses[id(encoder.get_parameter(f"{name}.weight"))] == 1]


def _blocks(encoder: nn.Module, linear: Sequence[str]) -> list[str]:
    """Return what the names in each block begin with, in order: a block is in a list that no other is inside of.

    Encoders whose maps become smaller in stages have a list of stages, and in each a list of blocks.
    """

    def has_linear(name: str) -> bool:
        return any(own.startswith(f"{name}.") for own in linear)

    modules = dict(encoder.named_modules())
    lists = [name for name, module in modules.items() if isinstance(module, nn.ModuleList) and has_linear(name)]
    inner = [name for name in lists if not any(other.startswith(f"{name}.") for other in lists)]
    blocks = [f"{name}.{place}" for name in inner for place, _ in modules[name].named_children()]
    return [f"{block}." for block in blocks if has_linear(block)]


def _is_called(name: str, asked: str) -> bool:
    return name == asked or name.endswith(f".{asked}")
