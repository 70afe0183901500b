"""Config files that must be refused."""

from __future__ import annotations

import json

from support.bad_inputs import Bad

BASE = "data: {path: rows.parquet}\n"
DOCUMENTED = "model_name: minilm\ndata: {parquet_path: rows.parquet}\n"


def _train(says: str, content: str | bytes, name: str = "bad.yaml", lines: int = 1) -> Bad:
    return Bad(says, ("train", name), {name: content}, lines=lines)


def _nested(open_: str, close: str, depth: int) -> str:
    return BASE + "select: {options: {a: " + open_ * depth + "1" + close * depth + "}}\n"


def _laughs(levels: int) -> str:
    """Return aliases of aliases: ten to the power of `levels` values."""
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    return "\n".join([*lines, BASE])


def _merges(levels: int) -> str:
    """Return the same by merge keys, which a parser expands while it reads."""
    lines = ["m0: &m0 {a: 1, b: 2}"]
    for i in range(1, levels):
        lines.append(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}")
    return "\n".join([*lines, BASE])


FILES = {
    "empty": _train("contains no settings", b""),
    "only a comment": _train("contains no settings", "# nothing\n"),
    "only null": _train("contains no settings", "null\n"),
    "a list": _train("contains no settings", "- 1\n- 2\n"),
    "a word": _train("contains no settings", "epochs"),
    "a number": _train("contains no settings", "12"),
    "a JSON list": _train("contains no settings", "[1, 2]", "bad.json"),
    "a folder": Bad("no config file", ("train", "bad.yaml"), {"bad.yaml": lambda path, run: path.mkdir()}),
    "missing": Bad("no config file", ("train", "bad.yaml")),
    "inside a file": Bad("no config file", ("train", "good.yaml/bad.yaml")),
    "too large": _train("larger than 256 KB", BASE + "# " + "x" * (1 << 18)),
    "a data file": Bad("is not a text file", ("train", "rows.parquet")),
    "a data file of text": _train("contains no settings", "text,label\na,b\n", "rows.csv"),
    "UTF-16": _train("is not a text file in UTF-8", BASE.encode("utf-16")),
    "Latin-1": _train("is not a text file in UTF-8", BASE.encode() + "name: caf\xe9\n".encode("latin-1")),
    "binary": _train("is not a text file", bytes(range(256))),
    "a raw NUL": _train("is not YAML", BASE.encode() + b"name: a\x00b\n"),
    "an escaped NUL": _train(r"line 2, column 7: NUL", BASE + 'name: "a\\0b"\n'),
    "an escaped NUL in JSON": _train("NUL", '{"data": {"path": "a\\u0000"}}', "bad.json"),
    "half of a character": _train("half of a character", '{"data": {"path": "a\\ud800"}}', "bad.json"),
    "a tab": _train("is not YAML at line 2", BASE + "\tseed: 1\n"),
    "an open bracket": _train("is not YAML at line", BASE + "train: {epochs: [1\n"),
    "two colons": _train("is not YAML at line 2", BASE + "name: b: c\n"),
    "two documents": _train("is not YAML at line", BASE + "---\n" + BASE),
    "a duplicate key": _train('is not YAML at line 3.*duplicate key "seed"', BASE + "seed: 1\nseed: 2\n"),
    "a duplicate key of a section": _train("duplicate key", BASE + "train: {epochs: 1, epochs: 2}\n"),
    "a duplicate key in JSON": _train("duplicate key", '{"data": {"path": "a", "path": "b"}}', "bad.json"),
    "broken JSON": _train("is not YAML", '{"data": {"path": "a"', "bad.json"),
    "an unknown alias": _train("is not YAML at line", BASE + "name: *nobody\n"),
    "an alias in itself": _train("more than 100000 values", "data: &loop {path: *loop}\n"),
    "an alias list in itself": _train("more than 100000 values", BASE + "tune: &loop [*loop]\n"),
    "a thousand laughs": _train("more than 100000 values", _laughs(6)),
    "a billion laughs": _train("more than 100000 values", _laughs(9)),
    "a trillion laughs": _train("more than 100000 values", _laughs(60)),
    "merges of merges": _train("more than 100000 values", _merges(12)),
    "3,000 deep lists": _train("nested too deeply", _nested("[", "]", 3000)),
    "3,000 deep mappings": _train("nested too deeply", _nested("{a: ", "}", 3000)),
    "3,000 deep JSON": _train("nested too deeply", '{"data": {"path": ' + "[" * 3000 + "]" * 3000 + "}}", "bad.json"),
    "3,000 deep blocks": _train("nested too deeply", BASE + "tune:\n" + "- " * 3000 + "1\n"),
    "50 deep": _train("train.epochs = ", BASE + "train: {epochs: " + "[" * 50 + "]" * 50 + "}\n"),
    "a Python object": _train(
        "the tag '.*python/object/apply:os.system'", BASE + "name: !!python/object/apply:os.system [id]\n"
    ),
    "a Python name": _train("the tag '.*python/name:os.system'", BASE + "name: !!python/name:os.system\n"),
    "an own tag": _train("the tag '!secret' is not supported", BASE + "name: !secret x\n"),
    "a set": _train("the tag 'set' is not supported", BASE + "hold: !!set {a, b}\n"),
    "bytes": _train("the tag 'binary' is not supported", BASE + "name: !!binary aGVsbG8=\n"),
    "a wrong bool": _train("value that can't be read", BASE + "seed: !!bool maybe\n"),
    "a wrong int": _train("value that can't be read", BASE + "seed: !!int x\n"),
    "a wrong float": _train("value that can't be read", BASE + "seed: !!float x\n"),
    "5,000 digits": _train("value that can't be read", BASE + f"seed: {'9' * 5000}\n"),
    "5,000 digits in JSON": _train("value that can't be read", '{"seed": ' + "9" * 5000 + "}", "bad.json"),
    "a date as a number": _train("seed = '2024-01-01' should be an integer", BASE + "seed: 2024-01-01\n"),
    "a date that is none": _train("seed = '2024-13-45' should be an integer", BASE + "seed: 2024-13-45\n"),
    "a time": _train("epochs = '2024-01-01T10:00:00Z' should be", BASE + "train: {epochs: 2024-01-01T10:00:00Z}\n"),
    "a date as a section": _train("'train' should be a section", BASE + "train: 2024-01-01\n"),
    "a list as a key": _train("is not YAML|unknown key", BASE + "? [a, b]\n: 1\n"),
    "a mapping as a key": _train("is not YAML", BASE + "{a: b}: 1\n"),
    "a key of 100,000 letters": _train("unknown key 'aaaa.*…'", BASE + "? " + "a" * 100_000 + "\n: 1\n"),
    "an unset variable": _train("TITHE_NOT_THERE.*is not set", "data: {path: '${TITHE_NOT_THERE}'}\n"),
    "a variable as a number": _train(
        r"epochs = '\$\{HOME\}' should be an integer", BASE + "train: {epochs: '${HOME}'}\n"
    ),
}

# What is wrong with a setting: the line of the file, and the words.
_WRONG = {
    "train: {epochs: 0}": "epochs = 0 should be greater than 0",
    "train: {epochs: -5}": "epochs = -5 should be greater than 0",
    f"train: {{epochs: {2**63}}}": "epochs = 9223372036854775808 should be less than or equal to 2147483647",
    f"train: {{epochs: {10**400}}}": "epochs = 1000.*… should be less than or equal to",
    "train: {epochs: 1e3}": "epochs = 1000.0 should be an integer",
    "train: {epochs: .inf}": "epochs = inf should be an integer",
    "train: {epochs: .nan}": "epochs = nan should be an integer",
    "train: {epochs: 'three'}": "epochs = 'three' should be an integer",
    f"train: {{batch_size: {10**19}}}": "batch_size = 1",
    f"train: {{accumulation_steps: {2**64}}}": "accumulation_steps",
    "train: {learning_rate: .nan}": "learning_rate = nan should be",
    "train: {learning_rate: -.inf}": "learning_rate = -inf should be",
    f"train: {{learning_rate: {10**400}}}": "learning_rate = 1000",
    "train: {learning_rate: 0}": "learning_rate = 0 should be greater than 0",
    "train: {learning_rate: 1e999}": "learning_rate = inf should be",
    "train: {learning_rate: '3e-5'}": "learning_rate = '3e-5' should be a number",
    "train: {weight_decay: [0.1]}": "weight_decay = .* should be a number",
    "train: {betas: 0.9}": "betas = 0.9 should be a list",
    "train: {betas: [0.9]}": "betas = .*should have at least 2 items",
    "train: {betas: [0.9, 2]}": "betas.1 = 2 should be less than 1",
    "train: {betas: [.nan, 0.9]}": "betas.0 = nan should be",
    "train: {precision: fp8}": "'auto', 'no', 'bf16' or 'fp16'",
    "train: {precision: true}": "precision = True should be",
    "train: {device: tpu}": "'auto', 'cpu', 'cuda' or 'mps'",
    "train: {group_by_length: 1}": "should be a boolean",
    "train: []": "'train' should be a section",
    "model: {freeze: top}": "freeze = 'top' should be 'none', 'all' or an integer",
    "model: {freeze: 1.5}": "should be 'none', 'all' or an integer",
    "model: {dropout: 1}": "dropout = 1 should be less than 1",
    f"model: {{hidden_dim: {10**9}}}": "hidden_dim = 1000000000 should be less than or equal to 65536",
    f"model: {{max_length: {10**12}}}": "max_length",
    "model: {encoder: 5}": "encoder = 5 should be a string",
    "model: {head: [mlp]}": "'linear', 'mlp' or 'native'",
    f"seed: {2**63}": "seed = 9223372036854775808 should be less than",
    "seed: -1": "seed = -1 should be greater than or equal to 0",
    "name: a/b": "name = 'a/b' should have letters, digits",
    "name: [a]": "name = .* should be a string",
    "out: {a: 1}": "out = .* should be a string",
    "task: audio": "unknown task 'audio'",
    "checkpoint: {keep: 0}": "keep = 0 should be greater than 0",
    "checkpoint: {best_by: auc}": "'loss', 'accuracy' or 'f1'",
    "checkpoint: {dir: validation}": "a name that a run uses for other files",
    "checkpoint: {single_files: true, epoch_files: 1}": "set only one of them",
    "select: {budget: 0}": "budget = 0 should be greater than 0",
    "select: {budget: 1.5}": "budget = 1.5 should be less than or equal to 1",
    "select: {budget: .nan}": "budget = nan should be",
    "select: {strategy: k_centre}": "did you mean 'k_center'",
    "select: {strategy: nowhere.py}": "no strategy file nowhere.py",
    "select: {rounds: 3}": "select.rounds 3 with random",
    "select: {options: {a: 1}}": "unknown key 'a' in select.options of random",
    "select: {strategy: el2n, options: {drop_hardest: 2}}": "drop_hardest = 2 should be less than",
    "select: random": "'select' should be a section",
    f"select: {{folds: {10**10}}}": "folds = 10000000000 should be less than or equal to 1000",
    "tune: {trials: 0}": "trials = 0 should be greater than 0",
    "tune: {learning_rate: [1e-3, 1e-5]}": "must be two numbers, the smaller first",
    "tune: {learning_rate: 1e-3}": "learning_rate = 0.001 should be a list",
    "tune: {weight_decay: []}": "should have at least 1 item",
    "tune: {dropout: [0.1, 0.2, 0.3]}": "should have at most 2 items",
    "images: {size: 1000000}": "size = 1000000 should be less than or equal to 4096",
    "images: {error: .nan}": "error = nan should be",
    "track: {plugins: {tensorboard: {}}}": "is a tracker of tithe",
    "track: {plugins: {wandbx: {}}}": "unknown tracker 'wandbx'",
    "lr: 1": "'lr' in bad.yaml: did you mean 'train.learning_rate'",
    "train: {batch: 1}": "did you mean 'batch_size'",
    "train: {max_len: 1}": "did you mean 'model.max_length'",
    "model_name_or_path: x": "did you mean 'model.encoder'",
}
WRONG = {line: _train(says, BASE + line + "\n") for line, says in _WRONG.items()}

_WRONG_DATA = {
    "{}": "'data.path' is missing",
    "null": "'data' should be a section",
    "rows.parquet": "'data' should be a section",
    "[rows.parquet]": "'data' should be a section",
    "{path: 2024-01-01}": "2024-01-01.*no reader|no reader|no data file 2024-01-01",
    "{path: nowhere.parquet}": "no data file nowhere.parquet",
    "{path: rows.parquet, num_workers: 100000}": "num_workers = 100000 should be less than or equal to 256",
    "{path: rows.parquet, num_workers: -1}": "num_workers = -1 should be greater",
    "{path: rows.parquet, val_ratio: 0.6, test_ratio: 0.6}": "val_ratio [+] test_ratio must be below 1",
    "{path: rows.parquet, val_ratio: .nan}": "val_ratio = nan should be",
    "{path: rows.parquet, reader: excel}": "unknown reader 'excel'",
    "{path: rows.parquet, label_mapping: nowhere.json}": "no file nowhere.json",
    "{path: rows.parquet, label_mapping: good.yaml}": "good.yaml is not a mapping of classes",
    "{path: rows.parquet, hold_out: [a]}": "is for images",
    "{path: rows.parquet, text_column: none}": "no column 'none'",
}
DATA = {f"data {section}": _train(says, f"data: {section}\n") for section, says in _WRONG_DATA.items()}

DOCUMENTED_FORMATS = {
    "documented: a typo": _train("did you mean 'num_epochs'", DOCUMENTED + "training: {num_epoch: 1}\n"),
    "documented: an alias": _train("did you mean 'max_seq_length'", DOCUMENTED + "training: {max_len: 8}\n"),
    "documented: workers": _train(
        "num_workers = 100000 should be", "model_name: m\ndata: {parquet_path: rows.parquet, num_workers: 100000}\n"
    ),
    "documented: precision": _train(
        "'no', 'fp16', 'bf16' or a boolean", DOCUMENTED + "training: {mixed_precision: fp8}\n"
    ),
    "documented: JSON": _train(
        "budget = 2 should be less", json.dumps({"strategy_name": "random", "dataset_path": "r", "budget": 2}), "b.json"
    ),
    "documented: tuning": _train(
        "works with strategy_name 'all'",
        json.dumps({"strategy_name": "random", "enable_hyperparameter_tuning": True, "run_name": "a"}),
        "b.json",
    ),
    "three mistakes": _train("unknown key 'train.lr'", BASE + "train: {epochs: 0, schedule: step, lr: 1}\n", lines=3),
    "a mistake in each section": _train(
        "unknown key 'tran'", "data: {}\nmodel: {head: x}\nseed: a\ntran: 1\n", lines=4
    ),
}
