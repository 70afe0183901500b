"""Command lines that must be refused, and variables of the environment."""

from __future__ import annotations

from support.bad_inputs import Bad

_SELECT = ("select", "rows.parquet", "--out", "p.parquet")
_SUITE = ("suite", "rows.parquet", "--out", "s")
_LABEL = ("label", "rows.parquet", "--out", "l")
_HUGE = str(10**30)

_COMMANDS: dict[tuple[str, ...], str] = {
    ("trian",): "No such command 'trian'. Did you mean 'train'",
    ("train",): "Missing argument 'CONFIG'",
    ("train", "good.yaml", "--epochs", "3"): "No such option.*--epochs",
    ("train", "good.yaml", "--overwrit"): "No such option.*--overwrite",
    ("train", "good.yaml", "--lr", "3"): "No such option.*--lr",
    ("train", "good.yaml", "more"): "unexpected extra argument",
    ("train", "good.yaml", "--overwrite", "--resume", "RUN"): "pass only one of them",
    ("train", "good.yaml", "--resume", "nowhere"): "no checkpoint at nowhere",
    ("train", "good.yaml", "--resume", "rows.parquet"): "rows.parquet is not a file of a checkpoint",
    ("train", "good.yaml", "--out", "RUN"): "contains an earlier run",
    ("predict",): "(?i)Missing argument 'checkpoint'",
    ("predict", "nowhere", "a"): "no checkpoint at nowhere",
    ("predict", ".", "a"): "no intact checkpoint in",
    ("predict", "RUN", "a", "--batch-size", "0"): "Invalid value for '--batch-size'",
    ("predict", "RUN", "a", "--batch-size", "-1"): "Invalid value for '--batch-size'",
    ("predict", "RUN", "a", "--batch-size", "two"): "Invalid value for '--batch-size'",
    ("predict", "RUN", "a", "--batch-size", _HUGE): "Invalid value for '--batch-size'",
    ("predict", "RUN", "a", "--batch-size", "9" * 5000): "Invalid value for '--batch-size'",
    ("predict", "RUN", "a", "--input", "rows.parquet"): "not both",
    ("predict", "RUN", "a", "--exact", "--batch-size", "2"): "leave --batch-size out",
    ("predict", "RUN", "--input", "nowhere.txt"): "no input file nowhere.txt",
    ("predict", "RUN", "--input", "nowhere.csv"): "no data file nowhere.csv",
    ("predict", "RUN", "--input", "rows.parquet", "--text-column", "x"): "no column 'x'",
    ("predict", "RUN", "--input", "rows.parquet", "-o", "rows.parquet"): "would overwrite the input",
    ("predict", "RUN", "--input", "rows.parquet", "-o", "p.xlsx"): "can't write '.xlsx' files",
    ("serve",): "(?i)Missing argument 'model'",
    ("serve", "nowhere", "--port", "0"): "no checkpoint at nowhere",
    ("serve", "RUN", "--port", "65536"): "Invalid value for '--port'",
    ("serve", "RUN", "--host", "nowhere.invalid"): "--host nowhere.invalid: .*pass an address of this machine",
    ("serve", "RUN", "--host", "192.0.2.1"): "can't listen on 192.0.2.1:8000 .*choose another --port or --host",
    ("serve", "RUN", "--token-file", "nowhere"): "--token-file nowhere can't be read: No such file",
    ("serve", "RUN", "--token-file", "rows.parquet"): "--token-file rows.parquet",
    ("evaluate",): "pass -c CHECKPOINT",
    ("evaluate", "-c", "nowhere"): "no checkpoint at nowhere",
    ("evaluate", "-c", "RUN", "--data", "nowhere.csv", "--out", "e"): "no data file nowhere.csv",
    ("evaluate", "-c", "RUN", "--set", "splits=[]", "--out", "e"): "should have at least 1 item",
    ("verify", "."): "has no manifest.json",
    ("verify", "rows.parquet"): "has no manifest.json",
    ("compare",): "Missing argument",
    ("compare", "."): "contains no run",
    ("compare", "nowhere"): "no folder nowhere",
    ("describe", "nowhere.csv"): "no data file nowhere.csv",
    ("describe", "rows.parquet", "--max-length", _HUGE, "--encoder", "BERT"): "max_length = 1000",
    ("describe", "rows.parquet", "--label-column", "x"): r"no column 'x' \(--label-column\)",
    ("doctor", "--clear"): "doctor --cache --clear",
    ("config", "explain", "--recipe", "x"): "unknown format 'x'",
    ("fetch", "review"): "did you mean 'reviews'",
    (*_SELECT, "--budget", "0"): "budget = 0.0 should be greater than 0",
    (*_SELECT, "--budget", "nan"): "budget = nan should be",
    (*_SELECT, "--budget", "inf"): "budget = inf should be",
    (*_SELECT, "--budget", "ten"): "Invalid value for '--budget'",
    (*_SELECT, "--seed", str(2**63)): "seed = 9223372036854775808 should be less than",
    (*_SELECT, "--seed", "-1"): "Invalid value for '--seed'",
    (*_SELECT, "--strategy", "k-center"): "did you mean 'k_center'",
    (*_SELECT, "--strategy", "x.py"): "no strategy file x.py",
    (*_SELECT, "--encoder", "nowhere/at/all"): "no folder nowhere/at/all",
    (*_SELECT, "--max-length", "0"): "Invalid value for '--max-length'",
    (*_SELECT, "--encoder", "BERT", "--max-length", "60", "--budget", "0.01"): "select.budget gives 1 row,",
    (*_SELECT, "--encoder", "BERT", "--max-length", "60", "--explain", _HUGE): "row 1000",
    ("select", "rows.parquet", "--out", "p.csv"): "p.csv is not a .parquet file",
    ("select", "rows.parquet", "--out", "rows.parquet"): "would overwrite",
    ("select", "good.yaml", "--out", "p.parquet", "--max-length", "8"): "pass --set model.max_length=8",
    (*_SUITE, "--processes", "100000"): "Invalid value for '--processes'",
    (*_SUITE, "--processes", "0"): "Invalid value for '--processes'",
    (*_SUITE, "--seeds", "0,x"): "is not a list of whole numbers",
    (*_SUITE, "--seeds", ","): "is not a list of whole numbers",
    (*_SUITE, "--seeds", "0.5"): "is not a list of whole numbers: write for example --seeds 0,1",
    (*_SUITE, "--seeds", "-1"): "seed = -1 should be greater",
    (*_SUITE, "--seeds", _HUGE): "seed = 1000.* should be less than",
    (*_SUITE, "--seeds", "9" * 5000): "is not a list of whole numbers",
    (*_SUITE, "--seeds", "0,1,0"): "seeds 0, 1, 0: write 0 once",
    (*_SUITE, "--budgets", "ten"): "is not a list of numbers",
    (*_SUITE, "--budgets", "nan"): "--budgets: budget = nan should be",
    (*_SUITE, "--budgets", "0.1,0.10"): "budgets 0.1, 0.1: write 0.1 once",
    (*_SUITE, "--budgets", "0.1,2"): "budget = 2.0 should be less than or equal to 1",
    (*_SUITE, "--budgets", "0.001", "--encoder", "BERT", "--max-length", "60"): "select.budget gives 1 row, fewer",
    (*_SUITE, "--strategies", "kcenter"): "did you mean 'k_center'",
    (*_SUITE, "--controls", "wrong,raeder"): "unknown control 'raeder': did you mean 'reader'",
    (*_SUITE, "--controls", "none,reader"): "controls none,reader: none leaves out all of them",
    (*_SUITE, "--controls", "help", "--track", "T0"): "control help: in track T0",
    (*_SUITE, "--controls", "wrong", "--reader", "x"): "--reader x: the control reader does not run",
    (
        *_SUITE,
        "--encoder",
        "BERT",
        "--max-length",
        "60",
        "--reader",
        "BERT",
    ): "--reader .* is the encoder of the trials",
    ("suite", "good.yaml", "--out", "s", "--set", "data.test_ratio=0"): "set data.test_ratio above 0",
    ("suite", "good.yaml", "--out", "s", "--set", "select.rounds=50"): "select.rounds",
    ("label", "nowhere.csv", "--out", "l"): "no data file nowhere.csv",
    ("label", "rows.parquet", "--out", "good.yaml"): "good.yaml is not a folder|it is not a folder",
    (*_LABEL, "--rows", "0"): "Invalid value for '--rows'",
    (*_LABEL, "--seed", _HUGE): "seed = 1000.* should be less than",
    (*_LABEL, "--labelled", "nowhere.csv"): "no data file nowhere.csv",
    (*_LABEL, "--text-column", "x"): r"no column 'x' \(--text-column\)",
    (*_LABEL, "--strategy", "ifd"): "which needs all labels: choose for example auto",
    (*_LABEL, "--option", "radom=1"): "unknown key 'radom' in --option of auto",
    (*_LABEL, "--rows", "5", "--encoder", "nowhere"): "--encoder 'nowhere'",
    (*_LABEL, "--option", "random"): "is not key=value",
    (*_LABEL, "--cost", "1"): "--cost needs --worth",
    (*_LABEL, "--cost", "nan", "--worth", "1"): "--cost nan is not a positive number",
    (*_LABEL, "--format", "xlsx"): "choose one of csv, jsonl, parquet",
    ("tune", "good.yaml", "--trials", "0"): "Invalid value for '--trials'",
    ("tune", "good.yaml", "--trials", _HUGE): "trials = 1000.* should be less than",
    ("tune", "good.yaml", "--set", "tune.sample=0.01"): "tune.sample 0.01 of",
    (
        "train",
        "good.yaml",
        "--set",
        "select.budget=0.01",
        "--set",
        "select.strategy=el2n",
    ): "select.budget gives 1 row,",
    (
        *("train", "good.yaml", "--set", "select.strategy=entropy_diversity"),
        *("--set", "select.rounds=20", "--set", "select.budget=0.1"),
    ): "select.rounds 20",
    ("prepare", "nowhere", "--out", "o"): "nowhere",
    ("prepare", "good.yaml", "--out", "o"): "good.yaml",
}
COMMANDS = {" ".join(a[:24] for a in line): Bad(says, line) for line, says in _COMMANDS.items()}

_TRAIN = ("train", "good.yaml")
VARIABLES = {
    **{
        f"TITHE_CACHE_GB={value[:20]}": Bad(
            "TITHE_CACHE_GB=.* is not a size", _TRAIN, variables={"TITHE_CACHE_GB": value}
        )
        for value in ("abc", "0", "-5", "nan", "inf", "1e999", "20GB")
    },
    "RANK=x": Bad(
        "a variable of the launcher is wrong", _TRAIN, variables={"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    ),
    "TITHE_CACHE_GB for select": Bad("is not a size", _SELECT, variables={"TITHE_CACHE_GB": "abc"}),
    "TITHE_CACHE_GB for describe": Bad(
        "is not a size", ("describe", "rows.parquet"), variables={"TITHE_CACHE_GB": "x"}
    ),
    "TITHE_CACHE_GB for doctor": Bad("is not a size", ("doctor", "--cache"), variables={"TITHE_CACHE_GB": "x"}),
    "TITHE_CACHE is a file": Bad("good.yaml", _TRAIN, code=1, variables={"TITHE_CACHE": "good.yaml"}),
    ".env in UTF-16": Bad(
        "is not UTF-8 text", ("train", "v.yaml"), {".env": "A=b".encode("utf-16"), "v.yaml": "name: ${A}"}
    ),
    ".env without the name": Bad(
        "is not set", ("train", "v.yaml"), {".env": "B=b", "v.yaml": "name: ${TITHE_NOT_THERE}"}
    ),
    ".env of binary": Bad(
        "is not UTF-8 text", ("train", "v.yaml"), {".env": bytes(range(256)), "v.yaml": "name: ${A}"}
    ),
}
