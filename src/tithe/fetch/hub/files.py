"""List and download files of a data set on a Hugging Face hub, resuming broken downloads.

Addresses, token, offline switch and the cache under `HF_HOME` are those of `huggingface_hub`: files that other programs
downloaded are reused, and theirs to reuse. Only the transfer itself is done here, because the library restarts a file
after its process ended, and does not verify hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tithe import storage
from tithe.errors import InputError, TitheError
from tithe.progress import Tick, bar

logger = logging.getLogger("tithe")

# Consecutive attempts without progress before a download fails, and the seconds before the first retry.
TRIES = 5
PAUSE = 1.0
_CARD = "README.md"
_DATASET = "dataset"


class Unreachable(TitheError):
    """The hub cannot be reached; cached data sets are still usable."""


@dataclass(frozen=True)
class Listing:
    """The files of a data set's repository at one commit.

    Attributes
    ----------
    repo, commit
        Name of the repository, and the commit of the files.
    files
        Paths in the repository.
    """

    repo: str
    commit: str
    files: tuple[str, ...]


def listing(repo: str, revision: str | None = None) -> Listing:
    """List the files of a repository; none if it does not have the revision.

    Raises
    ------
    InputError
        The repository does not exist, or this user has no access.
    Unreachable
        The hub does not answer, or HF_HUB_OFFLINE is set.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    with _hub_errors(repo):
        try:
            info = HfApi().dataset_info(repo, revision=revision)
        except RevisionNotFoundError:
            return Listing(repo, "", ())
    return Listing(repo, str(info.sha), tuple(file.rfilename for file in info.siblings or ()))


def card(snapshot: Listing) -> dict[str, Any]:
    """Return the metadata of a data set's card; empty if the card is missing or malformed."""
    from huggingface_hub import metadata_load

    if _CARD not in snapshot.files:
        return {}
    path = download(snapshot, _CARD)
    try:
        return metadata_load(path) or {}
    except Exception as error:  # malformed YAML may raise anything
        logger.warning(
            "ignoring the card of %s, which cannot be read (%s)", snapshot.repo, str(error).partition("\n")[0]
        )
        return {}


def download(snapshot: Listing, name: str) -> Path:
    """Return a file of a repository, downloaded once and verified against the hash that the hub announces.

    An interrupted download continues where it ended.

    Raises
    ------
    InputError
        The repository is gated.
    Unreachable
        The connection was lost repeatedly; the next call continues.
    TitheError
        The file differs from what the hub announced.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    at: dict[str, Any] = {
        "repo_id": snapshot.repo,
        "filename": name,
        "revision": snapshot.commit,
        "repo_type": _DATASET,
    }
    with _hub_errors(snapshot.repo):
        if isinstance(cached := try_to_load_from_cache(**at), str):
            return Path(cached)
        url = hf_hub_url(**at)
        announced = get_hf_file_metadata(url)
        # Where the library looks for a file with this hash: it then only links the name to it.
        store, folder = Path(constants.HF_HUB_CACHE), "--".join(["datasets", *snapshot.repo.split("/")])
        lock = store / ".locks" / folder / f"{announced.etag}.lock"
        blob = store / folder / "blobs" / str(announced.etag)
        for path in (lock, blob):
            path.parent.mkdir(parents=True, exist_ok=True)
        # Without an announced size it is unknown when a file is complete: leave that to the library.
        with FileLock(lock):
            if announced.size is not None and not blob.exists():
                _complete(url, name, announced.size, str(announced.etag), blob)
        return Path(hf_hub_download(**at))


def _complete(url: str, name: str, size: int, etag: str, blob: Path) -> None:
    """Continue a partial download until the file is complete, verify it, then rename it into place."""
    part = blob.with_name(f"{blob.name}.part")
    part.touch()
    if _size(part):
        logger.info("resuming %s at %d of %d bytes", name, _size(part), size)
    with bar(Path(name).name, size, "bytes") as tick:
        tick(_size(part))
        _download_all(url, name, size, part, tick)
    if problem := _mismatch(part, size, etag):
        part.unlink()
        raise TitheError(f"{name} arrived with {problem}: it was deleted, run the same command again")
    part.replace(blob)


def _download_all(url: str, name: str, size: int, part: Path, tick: Tick) -> None:
    failures = 0
    while (before := _size(part)) < size:
        reason = _append(url, part, tick)
        if (now := _size(part)) < size:
            failures = 0 if now > before else failures + 1
            broken = f"{name} broke off at {now} of {size} bytes ({reason})"
            if failures == TRIES:
                raise Unreachable(f"{broken}: run the same command to resume")
            logger.info("%s: retrying", broken)
            time.sleep(PAUSE * 2**failures)


def _append(url: str, part: Path, tick: Tick) -> str:
    """Request the missing bytes of a file and append them; return why the transfer ended.

    If the server ignores the range, the file is rewritten from the start.
    """
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # loaded lazily by the library
        build_hf_headers,
        hf_raise_for_status,
        http_stream_backoff,
    )

    # Bytes compressed in transfer could not be counted.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={_size(part)}-"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        with http_stream_backoff("GET", url, headers=headers, timeout=timeout, retry_on_exceptions=()) as response:
            hf_raise_for_status(response)
            with part.open("ab" if response.status_code == 206 else "wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
                    tick(len(chunk))
    except httpx2.TransportError as error:
        return _line(error)
    return "the connection was closed"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _mismatch(path: Path, size: int, etag: str) -> str:
    """Return how a file differs from the announced size and hash (SHA-256, or git's SHA-1 if small), or ''."""
    if _size(path) != size:
        return f"{_size(path)} bytes instead of {size}"
    if len(etag) == 64:
        digest = storage.sha256_file(path)
    elif len(etag) == 40:
        digest = hashlib.sha1(b"blob %d\0" % size + path.read_bytes(), usedforsecurity=False).hexdigest()
    else:
        return ""  # another kind of server: only the size can be checked
    return "" if digest == etag else f"the hash {digest} instead of {etag}"


@contextlib.contextmanager
def _hub_errors(repo: str) -> Iterator[None]:
    """Turn errors of the hub client into one line with the cure."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise Unreachable(
            f"HF_HUB_OFFLINE is set and {repo} is not cached: unset it where there is a network"
        ) from None
    except errors.GatedRepoError:
        cure = f"accept its conditions at {hub}/datasets/{repo}, and set HF_TOKEN to a token of that account"
        raise InputError(f"{repo} is gated: {cure}") from None
    except errors.RepositoryNotFoundError:
        cure = "check the name, or set HF_TOKEN to a token that may read it"
        raise InputError(f"no data set {repo} on {hub}: {cure}") from None
    except (errors.FileMetadataError, json.JSONDecodeError) as error:
        raise Unreachable(f"{hub} does not respond like a hub ({_line(error)}): check HF_ENDPOINT") from None
    except errors.HfHubHTTPError as error:
        raise Unreachable(f"{hub} answered {error.response.status_code} for {repo}: try again later") from None
    except (httpx2.HTTPError, errors.LocalEntryNotFoundError) as error:
        raise Unreachable(f"cannot reach {hub} ({_line(error)})") from None


def _line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
