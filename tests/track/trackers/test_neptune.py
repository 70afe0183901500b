"""Neptune, against the offline record its real client leaves on disk."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.tracked import PARAMS
from tithe import plugins
from tithe.errors import InputError
from tithe.track.trackers import neptune

TOKEN = "eyJhcGlfYWRkcmVzcyI6-do-not-store"


def operations(folder: Path) -> list[dict]:
    lines = [line for log in sorted(folder.glob("data-*.log")) for line in log.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def folders(home: Path) -> list[Path]:
    """The folders of a record, oldest first."""
    return sorted((home / ".neptune/offline").iterdir(), key=lambda folder: operations(folder)[0]["at"])


def fields(folder: Path) -> dict[str, object]:
    """What an offline folder says: values, sets of tags, series of (step, value), bytes of files."""
    found: dict[str, object] = {}
    for operation in (line["obj"] for line in operations(folder)):
        path = "/".join(operation["path"])
        if operation["type"].startswith("Assign"):
            found[path] = operation["value"]
        elif operation["type"] == "AddStrings":
            found[path] = set(operation["values"])
        elif operation["type"].startswith("Log"):
            found.setdefault(path, []).extend((v["step"], v["value"]) for v in operation["values"])
        elif operation["type"] == "UploadFile":
            found[path] = (folder / "upload_path" / operation["tmp_file_name"]).read_bytes()
    return found


def every_byte(home: Path) -> bytes:
    return b"".join(bytes(p) + p.read_bytes() for p in home.rglob("*") if p.is_file())


def test_neptune_holds_what_was_logged(home: Path, png: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = png.read_bytes()
    (home / "report.json").write_text("{}")
    settings = {
        "project": "team/texts",
        "experiment_name": "tenth",
        "tags": "small, tithe,",
        "run_id": "CLS-42",
    }
    track = neptune.open(home, settings, "run-name")
    track.params(PARAMS)
    track.scalars({"train/batch_loss": 0.5, "val/accuracy": 0.25}, 3)
    track.scalars({"train/batch_loss": float("nan")}, 4)
    track.scalars({"train/batch_loss": 0.125}, 5)
    track.figure("test/confusion_matrix", png)
    track.artifact("report", home / "report.json")
    png.unlink()
    (home / "report.json").unlink()
    track.close("finished")

    [folder] = folders(home)
    found = fields(folder)
    assert found["sys/name"] == "tenth"
    assert found["sys/tags"] == {"small", "tithe"}
    assert found["sys/custom_run_id"] == "CLS-42"
    assert found["project"] == "team/texts"
    assert {k: v for k, v in found.items() if k.startswith("parameters")} == {
        "parameters/model/name": "tiny|one",
        "parameters/model/dropout": 0.1,
        "parameters/training/freeze": True,
        "parameters/training/layers": "[1, 2]",
        "parameters/seed": 7,
    }
    assert found["train/batch_loss"] == [(3, 0.5), (5, 0.125)]
    assert found["nonfinite/train/batch_loss"] == [(4, "nan")]
    assert found["val/accuracy"] == [(3, 0.25)]
    assert found["figures/test/confusion_matrix"] == picture
    assert found["artifacts/report"] == b"{}"
    assert found["status"] == "finished"
    assert found["sys/failed"] is False
    assert capsys.readouterr() == ("", "")


def test_neptune_leaves_the_process_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cwd = Path.cwd()
    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", "theirs")
    track = neptune.open(home, {"tags": ["a"]}, "run-name")
    assert os.environ["NEPTUNE_DATA_DIRECTORY"] == "theirs"
    monkeypatch.delenv("NEPTUNE_DATA_DIRECTORY")
    neptune.open(home, {}, "second").close("stopped")
    assert "NEPTUNE_DATA_DIRECTORY" not in os.environ
    track.scalars({"loss": 1.0}, 1)
    began = time.monotonic()
    track.close("failed")

    assert time.monotonic() - began < 1
    first, second = map(fields, folders(home))
    assert (first["sys/name"], first["sys/tags"], first["sys/failed"]) == ("run-name", {"a"}, True)
    assert (second["sys/name"], second["status"]) == ("second", "stopped")
    assert Path.cwd() == cwd
    assert list(cwd.iterdir()) == []


def test_neptune_says_once_that_the_service_is_closed(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home.parent / "env").write_text(f"ANYTHING='{TOKEN}'\n")
    track = neptune.open(home, {"api_token": TOKEN, "env_path": str(home.parent / "env")}, "run-name")
    track.params(PARAMS)
    track.scalars({"loss": 1.0}, 1)
    track.close("finished")

    [record] = caplog.records
    assert (record.name, record.levelno) == ("tithe", logging.WARNING)
    for part in ("5 March 2026", str(home / ".neptune" / "offline"), "MLflow", "ClearML", "TensorBoard"):
        assert part in record.getMessage()
    assert TOKEN not in caplog.text
    assert TOKEN.encode() not in every_byte(home)
    assert fields(*folders(home))["source_code/env"] == b"ANYTHING='***'\n"


def test_neptune_says_nothing_without_a_token(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    neptune.open(home, {"api_token": ""}, "run-name").close("finished")
    assert caplog.records == []


ENV = r"""# a comment
LANG=ru_RU.UTF-8
export NEPTUNE_API_TOKEN="leak-1"
db_password: leak-2
$env:HF_KEY = leak-3 # leak-4
SIGNING_KEY="-----BEGIN leak-5
\" leak-6
-----END leak-7"
#OLD_SECRET='leak-8
leak-9'
AWS_CREDENTIALS=
A=1 PASS=leak-10
INDEX=https://user:le@k-11@host/simple
"""
MASKED = """# a comment
LANG=ru_RU.UTF-8
export NEPTUNE_API_TOKEN=***
db_password: ***
$env:HF_KEY = ***
SIGNING_KEY=***
#OLD_SECRET=***
AWS_CREDENTIALS=***
A=1 PASS=***
INDEX=https://***@host/simple
"""


def test_neptune_keeps_the_source_files_without_their_secrets(home: Path) -> None:
    env, dependencies = home.parent / ".env", home.parent / "requirements.txt"
    env.write_text(ENV)
    dependencies.write_text("--index-url https://user:leak@host/simple\nkeyring==24.0\n")
    settings = {"env_path": str(env), "dependencies_path": str(dependencies)}
    neptune.open(home, settings, "run-name").close("finished")

    found = fields(*folders(home))
    assert found["source_code/env"] == MASKED.encode()
    assert found["source_code/requirements"] == b"--index-url https://***@host/simple\nkeyring==24.0\n"
    assert b"leak" not in every_byte(home)


@pytest.mark.parametrize("setting", ["env_path", "dependencies_path"])
def test_neptune_refuses_a_file_it_cannot_read_before_it_writes(home: Path, setting: str) -> None:
    with pytest.raises(InputError, match=rf"^neptune\.{setting}: no file 'no/such': .* remove the setting$"):
        neptune.open(home, {setting: "no/such"}, "run-name")
    wide = home.parent / "wide.txt"
    wide.write_text("API_KEY=leak", encoding="utf-16")
    with pytest.raises(InputError, match=rf"^neptune\.{setting}: '.*wide\.txt' is not UTF-8 text: save it as UTF-8$"):
        neptune.open(home, {setting: str(wide)}, "run-name")
    assert list(home.iterdir()) == []


def test_neptune_missing_names_the_extra(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda _: False)
    with pytest.raises(InputError, match=r"tithe\[neptune\]"):
        neptune.open(home, {}, "run-name")
    assert list(home.iterdir()) == []


# Python's audit events see every path the process writes and every connection, third-party code included.
PROCESS = """
import json, os, sys
writes, network = [], []
def audit(event, args):
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    if event == "open" and isinstance(args[0], str | bytes) and args[2] & written:
        writes.append(os.path.abspath(os.fsdecode(args[0])))
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink"):
        writes.append(os.path.abspath(os.fsdecode(args[0])))
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        network.append(str(args))
sys.addaudithook(audit)
from pathlib import Path
from tithe.track.trackers import neptune
home, first, last, ending = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
track = neptune.open(home, {"run_id": "CLS-42"}, "run-name")
for step in range(first, last):
    track.scalars({"train/batch_loss": first + step / 100}, step)
print(json.dumps({"writes": writes, "network": network, "cwd": os.getcwd()}), flush=True)
if ending == "killed":
    os._exit(9)
track.close(ending)
"""


def process(home: Path, first: int, last: int, ending: str) -> dict[str, list[str]]:
    environment = {"HOME": str(home.parent), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROCESS, str(home), str(first), str(last), ending]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == (9 if ending == "killed" else 0), done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_neptune_run_id_continues_the_series_of_a_killed_process(home: Path) -> None:
    reports = [process(home, 1, 6, "killed"), process(home, 4, 8, "finished")]

    killed, resumed = map(fields, folders(home))
    assert killed["sys/custom_run_id"] == resumed["sys/custom_run_id"] == "CLS-42"
    assert "status" not in killed
    assert resumed["status"] == "finished"
    series = dict(killed["train/batch_loss"] + resumed["train/batch_loss"])
    assert series == {1: 1.01, 2: 1.02, 3: 1.03, 4: 4.04, 5: 4.05, 6: 4.06, 7: 4.07}
    for report in reports:
        assert report["network"] == []
        assert report["cwd"] == str(Path.cwd())
        assert any(path.endswith("data-1.log") for path in report["writes"])
        assert {p for p in report["writes"] if not Path(p).is_relative_to(home)} <= {os.devnull}
