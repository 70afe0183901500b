"""Settings with `--set` that must be refused, and files of settings of other commands."""

from __future__ import annotations

from support.bad_inputs import Bad
from support.bad_inputs.configs import BASE, DOCUMENTED

_SETS = {
    "train.epochs": "is not key=value",
    "=1": "is not key=value",
    "": "is not key=value",
    "train.epochs=": "epochs = None should be an integer",
    "train.epochs=x": "epochs = 'x' should be an integer",
    "train.epochs=[": "--set train.epochs is not YAML",
    "train.epochs=0": "epochs = 0 should be greater than 0",
    f"train.epochs={2**63}": "should be less than or equal to 2147483647",
    f"train.epochs={10**400}": "epochs = 1000",
    f"train.epochs={'9' * 5000}": "--set train.epochs has a value that can't be read",
    "train.epochs=2024-01-01": "epochs = '2024-01-01' should be an integer",
    "train.epochs=2024-13-45": "epochs = '2024-13-45' should be an integer",
    "train.epochs=!!python/name:os.system": "the tag",
    "train.epochs=!!int x": "value that can't be read",
    "train.epochs=1: 2": "is not YAML|should be an integer",
    "train.epochs.x=1": "should be an integer",
    "train.learning_rate=nan": "learning_rate = 'nan' should be a number",
    "train.learning_rate=.nan": "learning_rate = nan should be a finite number",
    "train.learning_rate=.inf": "learning_rate = inf should be a finite number",
    "train.lr=1e-3": "did you mean 'learning_rate'",
    "lr=1e-3": "did you mean 'train.learning_rate'",
    "batch=1": "did you mean 'train.batch_size'",
    "max_len=1": "did you mean 'model.max_length'",
    "trian.epochs=1": "did you mean 'train'",
    "train.epoch=1": "did you mean 'epochs'",
    "train=1": "'train' should be a section",
    "train=[1]": "'train' should be a section",
    "data=null": "'data' should be a section",
    "data.path=[a]": "data.path = .* should be a string",
    "data.num_workers=100000": "num_workers = 100000 should be less than or equal to 256",
    "..=1": "unknown key",
    "train..epochs=1": "unknown key",
    "name=": "name = None should be a string",
    'name="a\\0b"': "NUL",
    "model.freeze=some": "'none', 'all' or an integer",
    "model.encoder=./nowhere": "no folder nowhere",
    "model.encoder=a/b/c": "no folder a/b/c",
    "model.max_length=100000": "more than the .* positions",
    "select.budget=2": "budget = 2 should be less than or equal to 1",
    "select.strategy=kcenter": "did you mean 'k_center'",
    "checkpoint.resume=nowhere": "no checkpoint at nowhere",
    "checkpoint.reset_lr=true": "nothing to reset",
    "tune.trials=-1": "trials = -1 should be greater than 0",
    "train.device=cuda": "device 'cuda' is not available|",
    f"seed={2**64}": "seed = 18446744073709551616 should be less than",
}
SETS = {f"--set {text[:60]}": Bad(says, ("train", "good.yaml", "--set", text)) for text, says in _SETS.items()}

_LAUGHS = (
    "[&a [1,1,1,1,1,1,1,1,1,1], "
    + ", ".join(f"&{n} [{','.join([f'*{m}'] * 10)}]" for m, n in zip("abcdef", "bcdefg", strict=True))
    + "]"
)
_DEEP = "[" * 3000 + "]" * 3000
MORE = {
    "--set a million laughs": Bad("more than 100000 values", ("train", "good.yaml", "--set", f"train.betas={_LAUGHS}")),
    "--set 3,000 deep": Bad("nested too deeply", ("train", "good.yaml", "--set", f"train.betas={_DEEP}")),
    "--set of two mistakes": Bad(
        "unknown key 'train.b'", ("train", "good.yaml", "--set", "train.epochs=0", "--set", "train.b=1"), lines=2
    ),
    "--set of a documented file": Bad(
        "did you mean 'num_epochs'", ("train", "doc.yaml", "--set", "training.num_epoch=1"), {"doc.yaml": DOCUMENTED}
    ),
    "check": Bad("did you mean 'learning_rate'", ("config", "check", "b.yaml"), {"b.yaml": BASE + "train: {lr: 1}\n"}),
    "show": Bad("did you mean 'learning_rate'", ("config", "show", "b.yaml"), {"b.yaml": BASE + "train: {lr: 1}\n"}),
    "tune": Bad("'sampler'|sampler = ", ("tune", "b.yaml"), {"b.yaml": BASE + "tune: {sampler: grid}\n"}),
    "evaluate: unknown key": Bad(
        "did you mean 'splits'", ("evaluate", "--config", "e.yaml"), {"e.yaml": "{checkpoint_path: x, split: [test]}"}
    ),
    "evaluate: splits": Bad(
        "should be 'validation' or 'test'",
        ("evaluate", "--config", "e.yaml"),
        {"e.yaml": "{checkpoint_path: x, splits: [dev]}"},
    ),
    "evaluate: name": Bad(
        "should have letters, digits.*and not begin with",
        ("evaluate", "--config", "e.yaml"),
        {"e.yaml": "{checkpoint_path: x, name: ../x}"},
    ),
    "evaluate: a config of a list": Bad("contains no settings", ("evaluate", "--config", "e.yaml"), {"e.yaml": "[1]"}),
    "evaluate: laughs": Bad(
        "more than 100000 values", ("evaluate", "--config", "e.yaml"), {"e.yaml": "{checkpoint_path: " + _LAUGHS + "}"}
    ),
    "evaluate --set": Bad("did you mean 'exact'", ("evaluate", "-c", "RUN", "--set", "exakt=true")),
    "select --option": Bad(
        "unknown key 'drop' in select.options of el2n",
        ("select", "rows.parquet", "--strategy", "el2n", "--option", "drop=1", "--out", "p.parquet"),
    ),
    "select --option: a value": Bad(
        "drop_hardest = 'x' should be a number",
        ("select", "rows.parquet", "--strategy", "el2n", "--option", "drop_hardest=x", "--out", "p.parquet"),
    ),
}
