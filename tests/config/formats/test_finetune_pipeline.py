"""Every documented key of `finetune_pipeline` for paths, data and model, shown by its effect, and every mistake."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from support import finetune_pipeline as documented_files
from support.finetune_pipeline import TRAIN, Read, history
from support.keys import shown, shows
from support.paths import ROOT
from support.readme import assert_rebuilds, run_snippet
from tithe import config, data, pipeline, storage
from tithe.config.explain import known_keys
from tithe.config.formats import finetune_pipeline
from tithe.data.text import merge_parts
from tithe.errors import InputError
from tithe.predict import load
from tithe.runs.finish import Outcome

PROJECT = ROOT / "recipes" / "finetune_pipeline"

prepared = documented_files.prepared
documented = documented_files.documented
read = documented_files.read
finished = documented_files.finished

# ---- what a run leaves


@shows("paths.output_dir", "paths.dataset_path", "paths.base_model_dir")
def test_a_run_leaves_every_documented_file_in_a_folder_of_its_own(finished: Outcome, tmp_path: Path) -> None:
    home = finished.home
    assert home.parent == tmp_path / "artifacts" and home.name.replace("-", "").isdigit()
    documented = {"best_model.pt", "final_model.pt", "classifier_head.pt", "label_to_id.json", "id_to_label.json"}
    documented |= {"metrics.json", "freeze_proof.json", "tokenizer", "train.log"}
    assert documented <= {path.name for path in home.iterdir()}
    metrics = storage.read_json(home / "metrics.json")
    assert metrics["score"] == "f1" and metrics["best_val_score"] == metrics["validation"]["f1"]
    assert metrics["test_score"] == metrics["test"]["f1"] and len(metrics["test"]["per_class"]) == 3
    assert metrics["training"]["seconds"] > 0 and metrics["freeze"]["holds"] is True
    encoder = {k.removeprefix("encoder.") for k in torch.load(home / "best_model.pt") if k.startswith("encoder.")}
    assert encoder == set(AutoModel.from_pretrained(finished_model(home)).state_dict())
    assert AutoTokenizer.from_pretrained(home / "tokenizer")("goal")["input_ids"]
    assert_rebuilds(PROJECT / "README.md", "finetune_pipeline/artifacts/<time>", home, home)
    shown = {"finetune_pipeline/artifacts/<time>": str(home)}
    checked = run_snippet(PROJECT / "README_FREEZE_PROOF.md", "freeze_proof.json", shown)
    assert checked["checked"] == [name for name in checked["weights"] if name.startswith("encoder.")]
    # tithe's own kernels have no other name: an explicit `sdpa` is PyTorch's, which draws other random numbers.
    # Whether a table of words is trained whole or in part changes no weight: two runs do not differ by it.
    left = ["attention", "trim_vocabulary"]
    assert re.findall(r'"(\w+)": "auto"', (home / "config.json").read_text()) == left


def finished_model(home: Path) -> str:
    return str(storage.read_json(home / "config.json")["model"]["encoder"])


@shows("paths.label_mapping_path")
def test_the_mapping_gives_classes_their_names_back(finished: Outcome, read: Read) -> None:
    assert storage.read_json(finished.home / "label_to_id.json") == {"a": 0, "b": 1, "c": 2}
    assert storage.read_json(finished.home / "id_to_label.json") == {"0": "a", "1": "b", "2": "c"}
    assert load(finished.home).predict(["goal team"])[0].probabilities.keys() == {"space", "sport", "кухня"}
    bare = pipeline.train(read(paths__label_mapping_path=None))
    assert load(bare.home).predict(["goal team"])[0].probabilities.keys() == {"a", "b", "c"}


def test_more_than_26_classes_keep_their_names(tmp_path: Path, tiny_modernbert: Path) -> None:
    # By code point `aa` stands before `b`: names, ids and symbols must still belong together.
    rows = [{"input": f"{c} goal {i}", "output": f"class {c:02}"} for c in range(30) for i in range(2)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/all.json").write_text(json.dumps(rows))
    merged = merge_parts.merge(tmp_path / "raw", tmp_path / "out")
    settings = {"path": str(merged.dataset), "text_column": "input", "label_column": "output"}
    everything, labels, _ = data.ingest(config.Data(**settings, label_mapping=str(merged.mapping)))
    assert list(labels.names) == [f"class {c:02}" for c in range(30)]
    assert [everything.inputs()[i].split()[0] for i in range(0, 60, 2)] == [
        str(int(str(labels.names[label]).split()[1])) for label in everything.labels[::2]
    ]


# ---- data


@shows("data.train_ratio", "data.val_ratio")
@pytest.mark.parametrize(
    "train, val, sizes", [(0.8, 0.1, [48, 6, 6]), (0.7, 0.1, [42, 6, 12]), (0.8, 0.2, [48, 12, 0])]
)
def test_ratios_share_the_rows_and_the_rest_is_the_test(train: float, val: float, sizes: list[int], read: Read) -> None:
    run = read(data__train_ratio=train, data__val_ratio=val)
    splits = data.load(run.data, run.seed)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == sizes


@shows("data.seed")
def test_the_seed_fixes_split_and_weights(read: Read) -> None:
    splits = [data.load(run.data, run.seed).split.hash for run in (read(), read(), read(data__seed=7))]
    assert splits[0] == splits[1] != splits[2]
    hashes = [pipeline.train(r).scores["training"]["final_weights_sha256"] for r in (read(), read())]
    assert hashes[0] == hashes[1]


@shows("data.max_length")
def test_texts_are_cut_at_max_length_and_checked_against_the_model(read: Read) -> None:
    task = pipeline.check(read(data__max_length=5))
    assert max(map(len, (ids["input_ids"] for ids in [task.tokenizer("goal " * 9)]))) > 5
    examples = task.examples(["goal " * 9])
    assert examples.lengths.tolist() == [5]
    with pytest.raises(InputError, match=r"max_length 65 is more than the 64 positions"):
        pipeline.check(read(data__max_length=65))


# ---- model


@shows("model.hidden_dim", "model.dropout")
def test_the_head_is_as_wide_and_drops_as_asked(read: Read) -> None:
    run = read(model__hidden_dim=48, model__dropout=0.3)
    head = pipeline.check(run).build(3, 0).head
    assert [layer.weight.shape for layer in head if hasattr(layer, "weight")] == [(48, 32), (3, 48)]
    assert {layer.p for layer in head if hasattr(layer, "p")} == {0.3}


@shows(*known_keys(config.Select, "select."))
def test_the_native_section_select_is_taken_as_it_is(read: Read, tmp_path: Path) -> None:
    asked = {
        **{"strategy": "qdit_lite", "budget": 0.5, "balance": "none", "floor": 2, "seed": 3, "folds": 2},
        **{"proxy_runs": 4, "language_model": "lm.gguf", "rounds": 2, "first": "all", "options": {"weight": 0.3}},
        **{
            "track": "T1",
            "retrain": "warm",
            "scores": "own.parquet",
            "part_rows": 500,
            "filter": {"noise": 0.3, "duplicates": 0.9},
        },
    }
    assert asked.keys() == config.Select.model_fields.keys() and read().select is None
    documented = json.loads((tmp_path / "train_config.json").read_text())
    (tmp_path / "train_config.json").write_text(json.dumps({**documented, "select": asked}))
    assert config.load(tmp_path / "train_config.json").select == config.Select(**asked)
    changed = config.load(tmp_path / "train_config.json", ["select.strategy=k_center"]).select
    assert changed == config.Select(**{**asked, "strategy": "k_center"})


def test_a_run_trains_on_what_was_selected(read: Read, tmp_path: Path) -> None:
    home = pipeline.train(read(select__strategy="k_center", select__budget=0.5)).home
    assert storage.read_json(home / "selection.json")["rows"] == TRAIN // 2
    assert history(home)[-1]["step"] == 2 * TRAIN // 2 // 8  # two epochs of half of the rows


def test_every_documented_key_is_tested() -> None:
    keys = {key for key in known_keys(finetune_pipeline.Config) if "." in key}
    assert keys == shown(*Path(__file__).parent.glob("test_finetune_pipeline*.py"))


# ---- what is wrong is one line


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"training__lerning_rate": 1}, "unknown key 'training.lerning_rate' in train_config.json: did you mean"),
        ({"data__train_ratio": 0.95}, "data.train_ratio + data.val_ratio must be at most 1"),
        ({"training__mixed_precision": "fp8"}, "training.mixed_precision"),
        ({"paths__dataset_path": "nowhere.json"}, "'tithe prepare' makes one"),
        ({"paths__base_model_dir": "./nowhere"}, "no folder"),
        ({"paths__label_mapping_path": "nowhere.json"}, "no file nowhere.json"),
    ],
)
def test_mistakes_are_one_line_with_the_cure(changes: dict[str, Any], says: str, read: Read) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.check(read(**changes))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("mapping", ['{"a": "x", "b": "x"}', "[1]", '{"a": 1}'])
def test_a_mapping_that_is_none_is_refused(mapping: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text(mapping)
    with pytest.raises(InputError, match=r"mapping\.json is not a mapping of classes to distinct symbols"):
        pipeline.check(read(paths__label_mapping_path=str(tmp_path / "mapping.json")))


def test_a_symbol_without_a_class_is_counted_and_listed(read: Read, prepared: Path) -> None:
    mapping = storage.read_json(prepared / "output_to_symbol.json")
    storage.write_json(prepared / "output_to_symbol.json", {k: v for k, v in mapping.items() if v != "b"})
    splits = data.load(read().data, 0)
    assert splits.report["dropped"] == {"unknown_symbol": 20} and len(splits.labels) == 2
    assert {row["reason"] for row in storage.read_lines(splits.dropped)} == {"unknown_symbol"}


# ---- where paths count from


def test_paths_count_from_here_or_from_above_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repo"
    (root / "finetune_pipeline/configs").mkdir(parents=True)
    (root / "finetune_pipeline/data/combined_processed").mkdir(parents=True)
    dataset = root / "finetune_pipeline/data/combined_processed/combined_dataset.json"
    dataset.write_text("[]")
    file = root / "finetune_pipeline/configs/train_config.json"
    shutil.copyfile(PROJECT / "configs/train_config.json", file)
    monkeypatch.chdir(root)
    assert config.load("finetune_pipeline/configs/train_config.json").data.path == str(dataset.relative_to(root))
    monkeypatch.chdir(tmp_path)
    run = config.load(file)
    assert run.data.path == str(dataset) and run.name == "train_config"
    assert run.out == str(root / "finetune_pipeline/artifacts") + "/{time}"


def test_experiments_change_one_factor_each() -> None:
    def flat(name: str) -> dict[str, Any]:
        raw = json.loads((PROJECT / f"configs/{name}.json").read_text())
        config.parse(raw)
        return {f"{section}.{key}": value for section, values in raw.items() for key, value in values.items()}

    baseline = flat("experiment_a_baseline")
    assert baseline == flat("train_config")
    for file in (PROJECT / "configs").glob("experiment_[bcd]*.json"):
        other = flat(file.stem)
        assert sum(other[key] != baseline[key] for key in baseline) == 1 and other.keys() == baseline.keys()
