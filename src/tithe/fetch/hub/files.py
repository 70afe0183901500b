"""Files of a data set on a Hugging Face hub: what there is, and each of them whole, however often the line breaks.

The addresses, the token, the offline switch and the cache under `HF_HOME` are `huggingface_hub`'s; what lies there
already is not fetched again, and what is fetched is there for other programs. Only the bytes are fetched here: the
library begins a file anew when its process has ended, and does not hash what it gets.
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

# Attempts in a row that bring nothing, before a download is given up, and the seconds between the first two.
TRIES = 5
PAUSE = 1.0
_CARD = "README.md"
_DATASET = "dataset"


class Unreachable(TitheError):
    """There is no way to the hub now; what is cached can still be used."""


@dataclass(frozen=True)
class Listing:
    """What a data set's repository holds at one moment.

    Attributes
    ----------
    repo, commit
        Its name, and the state that everything below belongs to.
    files
        Paths in it.
    """

    repo: str
    commit: str
    files: tuple[str, ...]


def listing(repo: str, revision: str | None = None) -> Listing:
    """List a repository; one that does not have such a revision has no files there.

    Raises
    ------
    InputError
        There is no such repository, or not for this user.
    Unreachable
        The hub does not answer, or HF_HUB_OFFLINE is set.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    with _asking(repo):
        try:
            info = HfApi().dataset_info(repo, revision=revision)
        except RevisionNotFoundError:
            return Listing(repo, "", ())
    return Listing(repo, str(info.sha), tuple(file.rfilename for file in info.siblings or ()))


def card(found: Listing) -> dict[str, Any]:
    """Return the head of a data set's card; a card that is missing or not to be understood says nothing."""
    from huggingface_hub import metadata_load

    if _CARD not in found.files:
        return {}
    path = download(found, _CARD)
    try:
        return metadata_load(path) or {}
    except Exception as error:  # whatever a stranger's YAML may provoke
        logger.warning("the card of %s can't be read (%s)", found.repo, str(error).partition("\n")[0])
        return {}


def download(found: Listing, name: str) -> Path:
    """Return a file of a repository, fetched the first time, whole and with the hash that the hub has announced.

    A download that was broken off, in whatever way, goes on where it ended.

    Raises
    ------
    InputError
        The repository wants an agreement first.
    Unreachable
        The connection was lost for good; the next call goes on.
    TitheError
        What came is not what was announced.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    at: dict[str, Any] = {"repo_id": found.repo, "filename": name, "revision": found.commit, "repo_type": _DATASET}
    with _asking(found.repo):
        if isinstance(known := try_to_load_from_cache(**at), str):
            return Path(known)
        url = hf_hub_url(**at)
        announced = get_hf_file_metadata(url)
        # Where the library looks for a file of this hash: it then has only to give it its name.
        store, folder = Path(constants.HF_HUB_CACHE), "--".join(["datasets", *found.repo.split("/")])
        lock = store / ".locks" / folder / f"{announced.etag}.lock"
        blob = store / folder / "blobs" / str(announced.etag)
        for path in (lock, blob):
            path.parent.mkdir(parents=True, exist_ok=True)
        # Where nothing says how large a file is, nothing says when it is whole: that is left to the library.
        with FileLock(lock):
            if announced.size is not None and not blob.exists():
                _complete(url, name, announced.size, str(announced.etag), blob)
        return Path(hf_hub_download(**at))


def _complete(url: str, name: str, size: int, etag: str, blob: Path) -> None:
    """Add to what an earlier attempt has left until the file is whole, then put it in its place."""
    part = blob.with_name(f"{blob.name}.part")
    part.touch()
    if _size(part):
        logger.info("going on with %s at %d of %d bytes", name, _size(part), size)
    with bar(Path(name).name, size, "bytes") as tick:
        tick(_size(part))
        _until_whole(url, name, size, part, tick)
    if problem := _differs(part, size, etag):
        part.unlink()
        raise TitheError(f"{name} came with {problem}: it was deleted, run the same command again")
    part.replace(blob)


def _until_whole(url: str, name: str, size: int, part: Path, tick: Tick) -> None:
    failures = 0
    while (before := _size(part)) < size:
        reason = _append(url, part, tick)
        if (now := _size(part)) < size:
            failures = 0 if now > before else failures + 1
            broken = f"{name} broke off at {now} of {size} bytes ({reason})"
            if failures == TRIES:
                raise Unreachable(f"{broken}: the same command goes on from there")
            logger.info("%s: going on", broken)
            time.sleep(PAUSE * 2**failures)


def _append(url: str, part: Path, tick: Tick) -> str:
    """Ask for what is missing of a file and add what comes; return why no more came.

    A server that sends everything again is heard from the start.
    """
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # the library loads them when asked
        build_hf_headers,
        hf_raise_for_status,
        http_stream_backoff,
    )

    # Compressed on the way, the bytes could not be counted.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={_size(part)}-"}
    patience = constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        with http_stream_backoff("GET", url, headers=headers, timeout=patience, retry_on_exceptions=()) as response:
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


def _differs(path: Path, size: int, etag: str) -> str:
    """Say how a file differs from what was announced: SHA-256 of a large file, git's SHA-1 of a small one."""
    if _size(path) != size:
        return f"{_size(path)} bytes instead of {size}"
    if len(etag) == 64:
        found = storage.sha256_file(path)
    elif len(etag) == 40:
        found = hashlib.sha1(b"blob %d\0" % size + path.read_bytes(), usedforsecurity=False).hexdigest()
    else:
        return ""  # another kind of server: only the number of bytes is known
    return "" if found == etag else f"the hash {found} instead of {etag}"


@contextlib.contextmanager
def _asking(repo: str) -> Iterator[None]:
    """Turn what a conversation with the hub may end in into one line with the cure."""
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
        raise Unreachable(f"{hub} does not answer as a hub does ({_line(error)}): check HF_ENDPOINT") from None
    except errors.HfHubHTTPError as error:
        raise Unreachable(f"{hub} answered {error.response.status_code} for {repo}: try again later") from None
    except (httpx2.HTTPError, errors.LocalEntryNotFoundError) as error:
        raise Unreachable(f"{hub} can't be reached ({_line(error)})") from None


def _line(error: Exception) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
