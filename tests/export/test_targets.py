"""One contract for all formats: what is written is opened without the run, and answers like the network it is of."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from support.encoder_families import saved
from support.encoders import copied
from support.image_files import encoded, picture
from tithe import config, plugins, tasks
from tithe.errors import InputError, TitheError
from tithe.export import inputs
from tithe.export.source import Source, fold
from tithe.export.targets import Target
from tithe.models import inference
from tithe.models.forensics.detector import Detector

TEXTS = ["goal", "the team and the coach of the cup " * 5, "rocket to the moon", "a star of the season was new"]
NAMES = ("no", "yes", "a|b")
NETWORKS = [("bert", "native"), ("bert", "mlp"), ("modernbert", "native"), ("modernbert", "linear")]
# Tracing a graph takes seconds: every format, every head and every encoder, but not all of their combinations.
CASES = [
    *(("huggingface", *network) for network in NETWORKS),
    *(("onnx", *NETWORKS[i]) for i in (0, 3)),
    ("int8", *NETWORKS[1]),
]


def target(name: str) -> Target:
    return cast(Target, plugins.load("targets", name))


def source(encoder: Path, head: str) -> Source:
    """A network whose answers to the texts differ: random encoders give almost the same state to all of them."""
    raw = {"data": {"path": "unread"}, "model": {"encoder": str(encoder), "head": head, "max_length": 12}}
    task = tasks.open_task(config.parse(raw))
    model = task.build(len(NAMES), seed=0).eval()
    last = [layer for layer in model.get_submodule("head").modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        for weight in model.get_submodule("encoder").parameters():
            weight.mul_(4 if weight.ndim > 1 else 1)
        logits_NC = torch.from_numpy(inference.logits(model, task.examples(TEXTS), batch_size=1))
        scale = 2 / logits_NC.std(dim=0).mean()
        last.weight.mul_(scale)
        last.bias.copy_((last.bias - logits_NC.mean(dim=0)) * scale)
    return Source(model, task, NAMES)


def as_the_card_says(member: Target, folder: Path) -> dict[str, Any]:
    """Run the code of the card word for word, but for the folder; return its names."""
    names: dict[str, Any] = {}
    exec(member.usage(folder).replace("FOLDER", str(folder)), names)
    return names


def test_every_format_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(plugins.names("targets"))


@pytest.mark.parametrize(("name", "encoder", "head"), CASES)
def test_an_export_answers_like_its_network(
    name: str,
    encoder: str,
    head: str,
    tiny_bert: Path,
    tiny_modernbert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = source({"bert": tiny_bert, "modernbert": tiny_modernbert}[encoder], head)
    before = {key: value.clone() for key, value in of.model.state_dict().items()}
    member = target(name)
    monkeypatch.setattr("sys.path", [*sys.path])  # onnxruntime's quantisation adds to it
    member.write(of, tmp_path)
    network, preparation = member.open(tmp_path), inputs.open_preparation(tmp_path)
    expected_NC = of.task.probabilities(inference.logits(of.model, of.task.examples(TEXTS), batch_size=1))
    alone_NC = inputs.run(network, preparation, TEXTS, 1, lambda rows: None)
    together_NC = inputs.run(network, preparation, TEXTS, 4, lambda rows: None)
    bound = member.TOLERANCE or 0.1
    assert np.ptp(expected_NC, axis=0).max() > 3 * bound  # the answers differ, so that agreement means something
    np.testing.assert_allclose(alone_NC, expected_NC, rtol=0, atol=bound)
    if member.AT_ONCE > 1:
        np.testing.assert_allclose(together_NC, alone_NC, rtol=0, atol=1e-5)
    assert all(torch.equal(before[key], value) for key, value in of.model.state_dict().items())
    about = json.loads((tmp_path / "config.json").read_text())
    assert about["id2label"] == {"0": "no", "1": "yes", "2": "a|b"} and about["label2id"]["a|b"] == 2
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["model_max_length"] == 12
    compile(member.usage(tmp_path), "usage", "exec")
    if name != "huggingface":  # whose pipelines are opened below
        assert set(as_the_card_says(member, tmp_path)["labels"]) <= set(NAMES)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Code that travels in a folder is imported from a copy in a folder of this test."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    yield
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


@pytest.mark.parametrize(("encoder", "head"), NETWORKS)
def test_a_temperature_is_in_the_last_layer(encoder: str, head: str, tiny_bert: Path, tiny_modernbert: Path) -> None:
    of = source({"bert": tiny_bert, "modernbert": tiny_modernbert}[encoder], head)
    before_NC = inference.logits(of.model, of.task.examples(TEXTS))
    fold(of.model, 2.5, len(NAMES))
    np.testing.assert_allclose(
        inference.logits(of.model, of.task.examples(TEXTS)), before_NC / 2.5, rtol=1e-4, atol=1e-5
    )


@pytest.mark.usefixtures("seeded")
def test_a_head_without_a_last_layer_is_refused() -> None:
    with pytest.raises(InputError, match="does not end in a linear layer"):
        fold(torch.nn.ModuleDict({"head": torch.nn.Linear(4, 5)}), 2.0, classes=3)


@pytest.mark.usefixtures("seeded", "modules")
def test_a_pipeline_opens_both_heads(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    for head, trust in (("native", False), ("linear", True)):
        of, folder = source(tiny_bert, head), tmp_path / head
        target("huggingface").write(of, folder)
        assert (folder / "modeling_tithe.py").exists() == trust
        if trust:
            with pytest.raises(ValueError, match="trust_remote_code"):
                pipeline("text-classification", model=str(folder), trust_remote_code=False)
        classify = pipeline("text-classification", model=str(folder), trust_remote_code=trust, device="cpu")
        answers = classify(TEXTS, truncation=True, batch_size=2)
        expected_NC = of.task.probabilities(inference.logits(of.model, of.task.examples(TEXTS), batch_size=1))
        assert [a["label"] for a in answers] == [NAMES[i] for i in expected_NC.argmax(axis=1)]
        np.testing.assert_allclose([a["score"] for a in answers], expected_NC.max(axis=1), rtol=0, atol=1e-5)


def test_other_code_in_a_folder_is_not_run(tiny_bert: Path, tmp_path: Path) -> None:
    target("huggingface").write(source(tiny_bert, "linear"), tmp_path)
    with (tmp_path / "modeling_tithe.py").open("a") as file:
        file.write("raise SystemExit('run')\n")
    with pytest.raises(TitheError, match="not the code of this version"):
        target("huggingface").open(tmp_path)


def images(mode: str, crops: int) -> Source:
    own = {"mode": mode, "size": 32, "crops": crops}
    task = tasks.open_task(config.parse({"task": "image", "data": {"path": "unread"}, "images": own}))
    return Source(cast(Detector, task.build(2, seed=0)).eval(), task, ("fake", "real"))


@pytest.mark.parametrize(("mode", "crops"), [("fast", 1), pytest.param("full", 3, marks=pytest.mark.slow)])
def test_a_detector_is_exported_with_its_crops(mode: str, crops: int, tmp_path: Path) -> None:
    of, paths = images(mode, crops), [str(tmp_path / f"{i}.png") for i in range(3)]
    for i, path in enumerate(paths):
        Path(path).write_bytes(encoded(picture(40 + 9 * i, 50, seed=i), "PNG"))
    target("onnx").write(of, tmp_path / "export")
    network, preparation = target("onnx").open(tmp_path / "export"), inputs.open_preparation(tmp_path / "export")
    expected_N2 = of.task.probabilities(inference.logits(of.model, of.task.examples(paths), batch_size=3))
    found_N2 = inputs.run(network, preparation, paths, 2, lambda rows: None)
    np.testing.assert_allclose(found_N2, expected_N2, rtol=0, atol=1e-5)
    assert as_the_card_says(target("onnx"), tmp_path / "export")["real"].shape == (1,)


@pytest.mark.parametrize("name", ["huggingface", "int8"])
def test_other_formats_refuse_a_detector(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use --to onnx"):
        target(name).write(images("fast", 1), tmp_path)


@pytest.mark.parametrize("head", ["native", "linear"])
def test_weights_trained_from_an_encoder_in_bf16_are_exported_in_float32(
    head: str, tiny_bert: Path, tmp_path: Path, modules: None
) -> None:
    from transformers import AutoModelForSequenceClassification

    of = source(copied(tiny_bert, tmp_path / "encoder", dtype="bfloat16"), head)
    target("huggingface").write(of, tmp_path / "out")
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", trust_remote_code=True).eval()
    assert {weight.dtype for weight in opened.parameters()} == {torch.float32}
    batch = of.task.examples(TEXTS).collate(np.arange(len(TEXTS)))
    with torch.inference_mode():
        found_NC = opened(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        torch.testing.assert_close(found_NC, of.model(batch), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("seeded")
def test_a_network_whose_fused_attention_onnx_lacks_is_exported_with_the_plain_one(tmp_path: Path) -> None:
    of = source(saved("t5", tmp_path / "t5"), "linear")
    expected_NC = of.task.probabilities(inference.logits(of.model, of.task.examples(TEXTS), batch_size=1))
    member, out = target("onnx"), tmp_path / "out"
    out.mkdir()
    member.write(of, out)
    found_NC = inputs.run(member.open(out), inputs.open_preparation(out), TEXTS, 1, lambda rows: None)
    np.testing.assert_allclose(found_NC, expected_NC, rtol=0, atol=1e-5)


def test_a_network_that_onnx_lacks_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    of = source(tiny_bert, "linear")

    class Odd(torch.nn.Module):
        def forward(self, batch: dict[str, torch.Tensor]) -> Any:
            return torch.linalg.svdvals(batch["input_ids"].float())

    with pytest.raises(InputError, match="ONNX can't express this network") as error:
        target("onnx").write(Source(Odd(), of.task, NAMES), tmp_path)
    assert len(str(error.value).splitlines()) == 1 and "\x1b" not in str(error.value), error.value
