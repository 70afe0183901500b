"""Every documented key of `classifier_training` for model, data, optimizer and selection, shown by its effect."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from support.classifier_training import BATCHES, ROWS, Given, final, history, moved, rates, start, weights
from support.keys import shown, shows
from support.texts import make_texts, write_rows
from tithe import config, data, pipeline, plugins, storage
from tithe.config.explain import known_keys
from tithe.config.formats import classifier_training
from tithe.errors import InputError
from tithe.runs.finish import Outcome

# ---- model and data


@shows("model_name")
def test_model_name(given: Given, tiny_modernbert: Path) -> None:
    kinds = []
    for run in (given(), given(model_name=str(tiny_modernbert))):
        task = plugins.load("tasks", run.task).open(run)
        kinds.append(type(task.build(2, 0).encoder).__name__)
    assert kinds == ["BertModel", "ModernBertModel"]


def test_the_model_is_trained_from_the_weights_of_its_folder(given: Given, tiny_bert: Path) -> None:
    from safetensors.torch import load_file

    pretrained = load_file(tiny_bert / "model.safetensors")
    built = weights(start(given())[0])
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(built[f"encoder.{name}"], pretrained[name])


def test_a_model_that_is_nowhere_is_refused(given: Given, tmp_path: Path) -> None:
    run = given(model_name=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        pipeline.train(run)
    assert not (tmp_path / "checkpoints").exists()


@shows("data.parquet_path")
def test_parquet_path(given: Given, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "other.parquet", *make_texts(9, classes=3, seed=5))
    found = data.load(given(**{"data.parquet_path": str(other)}).data, 0)
    assert found.rows.inputs() == make_texts(9, classes=3, seed=5)[0]
    assert found.labels.names == ("space", "sport", "кухня")
    assert len(data.load(given().data, 0).rows) == ROWS


@shows("data.val_ratio", "data.test_ratio")
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.0), (0.25, 0.0), (0.25, 0.1), (0.5, 0.25)])
def test_ratios(given: Given, val: float, test: float) -> None:
    found = data.load(given(**{"data.val_ratio": val, "data.test_ratio": test}).data, 1)
    assert [len(found.val), len(found.test)] == [val * ROWS, test * ROWS]
    assert len(found.train) == ROWS - len(found.val) - len(found.test)


def test_no_test_rows_are_held_out_unless_asked(given: Given) -> None:
    assert len(data.load(given().data, 1).test) == 0


@shows("data.num_workers")
def test_num_workers_collate_the_same_batches(whole: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    real = torch.utils.data.DataLoader.__init__

    def spy(self: Any, *args: Any, **named: Any) -> None:
        used.append(named["num_workers"])
        real(self, *args, **named)

    expected = final(whole())
    monkeypatch.setattr(torch.utils.data.DataLoader, "__init__", spy)
    assert final(whole(**{"data.num_workers": 2})) == expected
    assert used == [2]


@shows("data.upsample", "data.downsample")
@pytest.mark.parametrize(
    ("upsample", "downsample", "sizes"),
    [(False, False, [7, 23]), (True, False, [23, 23]), (False, True, [7, 7]), (True, True, [15, 15])],
)
def test_balance(given: Given, tmp_path: Path, upsample: bool, downsample: bool, sizes: list[int]) -> None:
    skewed = write_rows(tmp_path / "skewed.parquet", make_texts(20)[0], ["a"] * 9 + ["b"] * 31)
    changes = {"data.parquet_path": str(skewed), "data.upsample": upsample, "data.downsample": downsample}
    found = data.load(given(**changes).data, 0)
    assert Counter(found.rows.labels[found.train].tolist()) == dict(enumerate(sizes))
    assert len(found.val) == 10


# ---- optimizer and scheduler


@shows("optimizer.learning_rate")
def test_learning_rate(given: Given) -> None:
    slow, fast = (given(**{"optimizer.learning_rate": rate}) for rate in (1e-4, 1e-2))
    assert (rates(slow)[0], rates(fast)[0]) == (1e-4, 1e-2)
    assert moved(fast) > 20 * moved(slow)


@shows("optimizer.weight_decay")
def test_weight_decay(given: Given) -> None:
    """AdamW's first step: a matrix shrinks by lr · decay, besides the step of at most lr; a bias does not."""
    run = given(**{"optimizer.weight_decay": 200.0})
    model, going = start(run)
    before = weights(model)
    next(going)
    after = weights(model)
    for name in ("encoder.encoder.layer.0.output.dense.weight", "head.1.weight"):
        assert float((after[name] - 0.8 * before[name]).abs().max()) <= 1.01e-3
    for name in ("encoder.encoder.layer.0.output.LayerNorm.weight", "head.1.bias"):
        assert float((after[name] - before[name]).abs().max()) <= 1.01e-3


@shows("scheduler.type", "scheduler.num_cycles")
@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"scheduler.type": "linear"}, lambda p: 1 - p),
        ({"scheduler.type": "cosine"}, lambda p: (1 + math.cos(math.pi * p)) / 2),
        ({"scheduler.type": "cosine", "scheduler.num_cycles": 2}, lambda p: (1 + math.cos(4 * math.pi * p)) / 2),
    ],
)
def test_scheduler(given: Given, changes: dict[str, Any], factor: Callable[[float], float]) -> None:
    found = rates(given(**changes, **{"scheduler.num_training_steps": None}))
    assert found == pytest.approx([1e-3 * factor(step / BATCHES) for step in range(BATCHES)])


@shows("scheduler.warmup_steps")
def test_warmup_steps(given: Given) -> None:
    found = rates(given(**{"scheduler.warmup_steps": 3, "scheduler.num_training_steps": None}))
    rising, falling = [1 / 4, 2 / 4, 3 / 4], [1 - step / 5 for step in range(5)]
    assert found == pytest.approx([1e-3 * factor for factor in rising + falling])


@shows("scheduler.num_training_steps")
@pytest.mark.parametrize(
    ("given_steps", "factors"),
    [
        (None, [1 - step / 8 for step in range(8)]),
        (16, [1 - step / 16 for step in range(8)]),
        (4, [1, 0.75, 0.5, 0.25, 0, 0, 0, 0]),
    ],
)
def test_num_training_steps(given: Given, given_steps: int | None, factors: list[float]) -> None:
    found = rates(given(**{"scheduler.num_training_steps": given_steps}))
    assert found == pytest.approx([1e-3 * factor for factor in factors])


# ---- the selection, an addition


@shows(*(known_keys(config.Select, "select.") - {"select.filter"}))
def test_the_native_section_select_is_taken_as_it_is(given: Given) -> None:
    asked = {
        **{"strategy": "entropy_diversity", "budget": 0.5, "balance": "none", "floor": 2, "seed": 3, "folds": 2},
        **{"proxy_runs": 4, "language_model": "lm.gguf", "rounds": 2, "first": "all", "options": {"weight": 0.3}},
        **{
            "track": "T1",
            "retrain": "warm",
            "scores": "own.parquet",
            "part_rows": 500,
            "filter": {"noise": 0.3, "duplicates": 0.9},
        },
    }
    assert asked.keys() == config.Select.model_fields.keys()
    assert given(select=asked).select == config.Select(**asked) and given().select is None
    assert given("select.strategy=k_center", select=asked).select == config.Select(**{**asked, "strategy": "k_center"})
    assert given("select.strategy=k_center").select == config.Select(strategy="k_center")
    with pytest.raises(InputError, match=r"unknown key 'select.strateg' in config.yaml: did you mean 'strategy'"):
        given(select={"strateg": "all"})


def test_a_run_trains_on_what_was_selected(whole: Callable[..., Outcome]) -> None:
    outcome = whole(select={"strategy": "k_center", "budget": 0.4})
    assert storage.read_json(outcome.home / "selection.json")["rows"] == 12
    assert history(outcome, "train")[-1]["step"] == 3  # 12 rows in batches of 4


# ---- the whole vocabulary


def test_every_documented_key_has_a_case() -> None:
    keys = known_keys(classifier_training.Config)
    leaves = {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}
    assert leaves == shown(*Path(__file__).parent.glob("test_classifier_training*.py"))


def test_the_smallest_file_of_the_document_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  parquet_path: rows.parquet\n")
    run = config.load(path)
    assert (run.data.path, run.model.encoder) == ("rows.parquet", "minilm")
    assert (run.out, run.checkpoint.dir) == ("checkpoints", ".")
