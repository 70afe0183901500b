"""The linear layers of an encoder that adapters are put beside."""

from __future__ import annotations

from collections import Counter

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
    if isinstance(settings, config.ImageLora):
        last = _last_blocks(encoder, settings)
        own = [name for name in own if name.startswith(last)]
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


def _last_blocks(encoder: nn.Module, settings: config.ImageLora) -> tuple[str, ...]:
    """Return what the names of all modules in the last blocks begin with: in those of the longest list of modules."""
    lists = {name: stack for name, stack in encoder.named_modules() if isinstance(stack, nn.ModuleList)}
    longest = max(lists, key=lambda name: len(lists[name]), default="")
    depth = len(lists.get(longest, ()))
    if settings.blocks > depth:
        raise InputError(f"{settings.key}.blocks {settings.blocks} is more than the {depth} blocks of the encoder")
    return tuple(f"{longest}.{number}." for number in range(depth - settings.blocks, depth))


def _is_called(name: str, asked: str) -> bool:
    return name == asked or name.endswith(f".{asked}")
