"""One product instead of three: the same names and, but for rounding, the same numbers; elsewhere the same bits."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from support import encoder_families
from tithe.models import encoders, kernels

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

FAMILIES = ["bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm_roberta"]
IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 7, 3, 0, 0]])
LAYERS = encoder_families.DEPTH


class Products(TorchDispatchMode):
    """Counts products with a matrix of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += any(name in str(func) for name in ("addmm", "aten.mm", "aten.linear", "mkldnn_linear"))
        return func(*args, **(kwargs or {}))


def networks(name: str) -> tuple[nn.Module, nn.Module]:
    plain = encoders.build(encoder_families.configuration_of(name), None, "auto").train()
    for module in plain.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    joint = copy.deepcopy(plain)
    kernels.use_fast_kernels(joint, attention=False)
    return plain, joint


def trained(model: nn.Module, bf16: bool = True) -> tuple[torch.Tensor, dict[str, torch.Tensor | None], int]:
    """Return the hidden states, the gradients and the number of products of a step."""
    products = Products()
    model.zero_grad()
    with products, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        states = model(input_ids=IDS, attention_mask=(IDS != 0).long()).last_hidden_state.float()
        states.square().sum().backward()
    return states.detach(), {name: p.grad for name, p in model.named_parameters()}, products.count


def same_bits(a: dict[str, torch.Tensor | None], b: dict[str, torch.Tensor | None]) -> bool:
    return a.keys() == b.keys() and all(
        x is y is None or (x is not None and y is not None and torch.equal(x, y))
        for x, y in zip(a.values(), b.values(), strict=True)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_are_those_of_three_products(name: str) -> None:
    plain, joint = networks(name)
    assert [*plain.state_dict()] == [*joint.state_dict()]
    states, gradients, products = trained(plain)
    joint_states, joint_gradients, fewer = trained(joint)
    assert fewer == products - 6 * LAYERS, "one of three forward, two of six backward"
    torch.testing.assert_close(joint_states, states, rtol=2e-2, atol=2e-2)
    assert gradients.keys() == joint_gradients.keys()
    for parameter, gradient in gradients.items():
        other = joint_gradients[parameter]
        if gradient is None or other is None:
            assert gradient is other
            continue
        assert other.dtype == torch.float32
        assert (other - gradient).norm() <= 0.03 * gradient.norm() + 1e-3, parameter


@pytest.fixture
def bert() -> tuple[nn.Module, nn.Module]:
    return networks("bert")


def assert_same_bits(pair: tuple[nn.Module, nn.Module], bf16: bool = True) -> None:
    (states, gradients, products), (joint_states, joint_gradients, as_many) = (trained(each, bf16) for each in pair)
    assert torch.equal(states, joint_states) and same_bits(gradients, joint_gradients) and products == as_many


def test_in_float32_and_in_evaluation_it_is_three_products(bert: tuple[nn.Module, nn.Module]) -> None:
    assert_same_bits(bert, bf16=False)
    for model in bert:
        model.eval()
    assert_same_bits(bert)


def test_what_is_frozen_in_part_is_three_products(bert: tuple[nn.Module, nn.Module]) -> None:
    for model in bert:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("key.bias" not in name)
    assert_same_bits(bert)


def test_layers_computed_again_have_the_same_bits(bert: tuple[nn.Module, nn.Module]) -> None:
    _, joint = bert
    states, gradients, _ = trained(joint)
    encoders.checkpoint_activations(joint, "bert")
    again, same, _ = trained(joint)
    assert torch.equal(states, again) and same_bits(gradients, same)


def test_another_input_has_its_own_answer(bert: tuple[nn.Module, nn.Module]) -> None:
    names = [f"encoder.layer.0.attention.self.{name}" for name in ("query", "key", "value")]
    plain, joint = ([each.get_submodule(name) for name in names] for each in bert)
    here, there = torch.randn(2, 3, 16), torch.randn(2, 3, 16)
    with torch.autocast("cpu", torch.bfloat16):
        joint[0](here)
        assert torch.equal(joint[1](there), plain[1](there))
        torch.testing.assert_close(joint[2](here), plain[2](here), rtol=1e-2, atol=1e-2)
        assert torch.equal(joint[2](here), plain[2](here)), "an answer is given once"
