"""CLIP's encoder of images out of an int8 file: the same numbers, and a folder that opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import AutoModel, CLIPVisionConfig, CLIPVisionModel

from tithe.fetch import clip_vit_b16
from tithe.models.foundation import encoder


@pytest.fixture
def network(seeded: None) -> CLIPVisionModel:
    """A small network of the same kind, whose matrices have few values, as an 8-bit file can hold."""
    sizes = {"hidden_size": 64, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 1}
    made = CLIPVisionModel(CLIPVisionConfig(image_size=32, patch_size=8, **sizes))
    for name, value in made.named_parameters():
        if is_product(name, value):
            value.data = (torch.randint(0, 256, value.shape) - 100.0) * 2**-10
    return made.eval()


def is_product(name: str, value: torch.Tensor) -> bool:
    return value.ndim == 2 and "embeddings" not in name


def quantised(network: CLIPVisionModel) -> bytes:
    """Return the weights as the quantiser of onnxruntime names them, a scale for each column, and a projection."""
    initializers, nodes = [], []
    weights = {**dict(network.named_parameters()), "projection": torch.zeros(2, 64)}
    for number, (name, value) in enumerate(weights.items()):
        full = name if name.startswith(("vision_model.", "projection")) else f"vision_model.{name}"
        if name != "projection" and not is_product(name, value):
            initializers.append(numpy_helper.from_array(value.detach().numpy(), full))
            continue
        own, path = (
            f"onnx::MatMul_{number}",
            full.removesuffix(".weight").replace(".", "/").replace("layers/", "layers."),
        )
        ends = [own + "_quantized", "x_zero_point", own + "_zero_point"]
        out = "image_embeds_output_quantized" if name == "projection" else f"/{path}/MatMul_output_0_output_quantized"
        nodes.append(helper.make_node("MatMulInteger", ["x", *ends], [out]))
        columns = len(value)
        stored = np.round(value.detach().numpy().T * 2**10 + 100).astype(np.uint8)
        parts = {
            "quantized": stored,
            "scale": np.full(columns, 2**-10, np.float32),
            "zero_point": np.full(columns, 100),
        }
        initializers += [
            numpy_helper.from_array(part.astype(part.dtype if part.dtype != np.int64 else np.uint8), f"{own}_{kind}")
            for kind, part in parts.items()
        ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "clip", [x], [], initializers)
    return bytes(helper.make_model(graph).SerializeToString())


def test_the_folder_has_the_weights_of_the_file_and_its_own_sizes(network: CLIPVisionModel, tmp_path: Path) -> None:
    file = quantised(network)
    assert any(tensor.name.startswith("onnx::MatMul") for tensor in onnx.load_from_string(file).graph.initializer)
    clip_vit_b16.ENCODER.write(tmp_path, [file])
    opened, loading = AutoModel.from_pretrained(tmp_path, output_loading_info=True, dtype=torch.float32)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    assert opened.config.hidden_size == 64 and opened.config.image_size == 32 and opened.config.num_hidden_layers == 2
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected, found = network(pixels).pooler_output, opened.eval()(pixels).pooler_output
    assert torch.allclose(found, expected, atol=1e-6)
    assert encoder.open_parts(tmp_path, "mine")[1].side == 32
