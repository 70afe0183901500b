"""Every family of encoders is trained or refused in one line, before anything long."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from support import docs, runs
from support.encoder_families import FAMILIES, REFUSED, VOCABULARY, built
from support.family_outcomes import SAID, outcome
from support.paths import ROOT
from tithe.models import skeleton

pytestmark = pytest.mark.usefixtures("seeded")  # networks are built by the global generator

SAMPLE = ("camembert", "mpnet", "longformer", "deberta", "deberta_v2", "t5", "squeezebert", "opt_projected", "xlnet")


@pytest.mark.parametrize("family", SAMPLE)
def test_an_encoder_is_ready_to_train(family: str, tmp_path: Path) -> None:
    _, refusal, difference, _ = outcome(family, tmp_path, runs.built)
    assert refusal == "" and difference is not None and difference < 1e-4


@pytest.mark.parametrize("family", ["fnet", "canine", "nystromformer_of_one_length"])
def test_an_encoder_that_cannot_be_trained_is_one_line(family: str, tmp_path: Path) -> None:
    refusal = outcome(family, tmp_path, runs.built).refusal
    assert refusal.endswith(": choose another encoder, such as minilm") or refusal.endswith(": choose another encoder")
    assert len(refusal.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("family", [*FAMILIES, *REFUSED])
def test_the_page_of_encoders_says_what_becomes_of_them(family: str, tmp_path: Path) -> None:
    network, refusal, difference, warnings = outcome(family, tmp_path, runs.run)
    page = (ROOT / "docs/encoders.md").read_text(encoding="utf-8")
    assert f"| {family} | `{network}` | {refusal or ', '.join(['trained', *warnings])} | " in page
    assert len(refusal.splitlines()) <= 1
    assert difference is None or difference < 1e-4 or any("in part" in said for said in warnings)


def test_the_russian_page_of_encoders_is_made_from_the_english_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds the folder of the tests
    english, russian = docs.text("docs/encoders.md"), docs.text("docs/encoders.ru.md")
    assert russian == docs.script("make_encoders").russian(english), "run: python docs/make_encoders.py"
    assert all(f"{said} |" not in russian for said in ("trained", *SAID))


# ---- positions: the number that a configuration is refused above is that of the network


def longest(model: nn.Module, lengths: list[int]) -> int:
    """The largest of some lengths that a network can be run on."""
    words = torch.full((1, max(lengths)), 7)
    for length in sorted(lengths, reverse=True):
        try:
            with torch.no_grad():
                model.eval()(input_ids=words[:, :length])
        except (IndexError, RuntimeError, ValueError):
            continue
        return length
    return 0


# With a table of positions: whole, from the padding id + 1, from 2, of sinusoids, or inside another module.
ABSOLUTE = {
    **dict.fromkeys(("bert", "gpt2", "opt", "biogpt", "roformer", "xlm", "nystromformer", "ctrl"), 64),
    **dict.fromkeys(("roberta", "xlm_roberta", "xmod", "mpnet"), 62),
    **dict.fromkeys(("camembert", "data2vec", "esm_absolute", "ibert", "lilt", "luke", "markuplm"), 63),
}


@pytest.mark.parametrize(("family", "expected"), ABSOLUTE.items())
def test_positions_are_those_of_the_network(family: str, expected: int) -> None:
    encoder = built(family).encoder
    assert skeleton.positions(skeleton.build(encoder.config, family), encoder.config) == expected
    assert longest(encoder, [expected, expected + 1]) == expected


@pytest.mark.parametrize("family", ["t5", "umt5", "xlnet", "bloom", "funnel", "deberta_relative"])
def test_relative_positions_have_no_limit(family: str) -> None:
    encoder = built(family).encoder
    assert skeleton.positions(skeleton.build(encoder.config, family), encoder.config) is None
    assert longest(encoder, [200]) == 200


def test_building_a_skeleton_needs_no_weights_and_changes_no_configuration() -> None:
    configuration = built("bert").encoder.config
    before = configuration.to_dict()
    network = skeleton.build(configuration, "bert")
    assert {weight.device.type for weight in network.parameters()} == {"meta"}
    assert configuration.to_dict() == before
    assert len(network.get_input_embeddings().weight) == VOCABULARY
