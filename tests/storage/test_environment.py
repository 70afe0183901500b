"""What is recorded of the machine and the command line, and what is not."""

import json
import os
import sys

import pytest

from tithe import storage

SECRET = "s3cr3t-do-not-show"


def test_the_environment_names_what_a_reader_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/somebody/bin/tithe", "train", "run.yaml", "--set", "train.epochs=2"])
    found = storage.describe_environment()
    assert found["command"] == ["tithe", "train", "run.yaml", "--set", "train.epochs=2"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert {"tithe", "torch", "numpy"} <= packages.keys()
    assert "somebody" not in json.dumps(found)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", f"neptune.api_token={SECRET}"],
        ["--set", f"track.neptune.api_token={SECRET}"],
        [f"--set=neptune.api_token={SECRET}"],
        ["--set", f"neptune.API_TOKEN = {SECRET}"],
        ["--set", f"x.password={SECRET}"],
        ["--set", f"x.client_secret={SECRET}"],
        ["--set", f"x.api_key={SECRET}\nmore"],
        ["--set", f"track.neptune={{api_token: {SECRET}}}"],
        ["--set", f'track.neptune={{"project": "a/b", "api_token": "{SECRET}", "tags": []}}'],
        ["--set", f"track={{neptune: {{api_token: {SECRET}}}}}"],
    ],
)
def test_the_environment_holds_no_secret_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tithe", "train", "run.yaml", *arguments, "--out", "kept"])
    found = storage.describe_environment()
    assert SECRET not in json.dumps(found)
    command = found["command"]
    assert isinstance(command, list)
    assert command[:3] + command[-2:] == ["tithe", "train", "run.yaml", "--out", "kept"]


def test_the_environment_holds_nothing_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_API_TOKEN", SECRET)
    assert SECRET not in json.dumps(storage.describe_environment())


@pytest.mark.parametrize("before", [None, "theirs"])
def test_a_variable_is_set_inside_the_block_alone(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    if before is not None:
        monkeypatch.setenv("TITHE_TEST_NAME", before)
    with pytest.raises(ValueError, match="stop"), storage.environment_variable("TITHE_TEST_NAME", "ours"):
        assert os.environ["TITHE_TEST_NAME"] == "ours"
        raise ValueError("stop")
    assert os.environ.get("TITHE_TEST_NAME") == before
