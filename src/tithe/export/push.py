"""Upload an export to a Hugging Face hub; address and token are those of `huggingface_hub`."""

from __future__ import annotations

from pathlib import Path

from tithe import storage
from tithe.errors import InputError, TitheError


def check_name(name: str) -> None:
    """Check the name of a repository before any work is done for it.

    Raises
    ------
    InputError
        It is not one, or the hub is not to be reached.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but for the marker

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(f"--push {name}: {_line(error)}") from None
    if constants.is_offline_mode():
        raise InputError(f"--push {name}: HF_HUB_OFFLINE is set: unset it, or leave --push out")


def push(folder: Path, name: str) -> str:
    """Upload the files of an export's manifest in one commit, to a new private repository or to one that exists.

    Returns
    -------
    The address of the commit.

    Raises
    ------
    TitheError
        The hub can't be reached, or refuses; the folder is as it was.
    """
    import httpx2
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api, names = HfApi(), [*(storage.read_manifest(folder) or ()), storage.MANIFEST]
    files = [CommitOperationAdd(name, folder / name) for name in names]  # `upload_folder` may make several commits
    try:
        api.create_repo(name, private=True, exist_ok=True)
        commit = api.create_commit(name, files, commit_message="Add the export")
    except (HfHubHTTPError, LocalTokenNotFoundError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise TitheError(
            f"{folder} is written, but was not uploaded to {name} ({_line(error)}): check HF_TOKEN and HF_ENDPOINT, "
            f"and upload it with 'hf upload {name} {folder}'"
        ) from None
    return str(commit.commit_url)


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
