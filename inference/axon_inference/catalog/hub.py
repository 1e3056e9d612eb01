"""Models and SAEs of the Hugging Face hub: what the cache lacks, and getting it, or saying why not.

All that is needed is in huggingface_hub's cache afterwards, and is loaded from there without
another word with the hub.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, get_token, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from axon_inference.catalog.downloads import (
    HubError,
    HubUnreachable,
    Progress,
    RemoteFile,
    download,
    require_space,
)
from axon_inference.catalog.files import weight_map

_log = logging.getLogger(__name__)

# The formats of weights, the better one first: in one file, or in several with an index.
_WEIGHTS = {
    "model.safetensors": r"model-\d+-of-\d+\.safetensors",
    "pytorch_model.bin": r"pytorch_model-\d+-of-\d+\.bin",
}
_BESIDE_WEIGHTS = (".json", ".txt", ".model", ".jinja")
_DISK_FAILURES = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Want:
    """Files of a repository: those named, or, if none are, a whole model with its tokenizer.

    `optional` ones are taken if the repository has them; of a model, `weights` may be left out.
    """

    repository: str
    files: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    weights: bool = True

    def path(self, name: str) -> Path | None:
        """Where a file is in the cache."""
        found = try_to_load_from_cache(self.repository, name)
        return Path(found) if isinstance(found, str) else None

    def missing(self) -> list[str]:
        """The files the cache lacks; of a model, those that it cannot do without."""
        weights = self._weights() if self.weights else []
        names = self.files or ("config.json", self._tokenizer(), *weights)
        return [name for name in names if not self.path(name)]

    def choose(self, names: Collection[str]) -> list[str]:
        """What to download of a repository that has the files `names`.

        Raises:
            HubError: it lacks what is wanted.
        """
        if not self.files:
            return self._choose_model([name for name in names if "/" not in name])
        if absent := [name for name in self.files if name not in names]:
            raise HubError(f"{self.repository} has no {', '.join(absent)}")
        return [*self.files, *(name for name in self.optional if name in names)]

    def _choose_model(self, names: Sequence[str]) -> list[str]:
        """Configuration, tokenizer, and the weights in one format rather than in three."""
        for single, shards in _WEIGHTS.items():
            weights = [n for n in names if n == single] or [
                n for n in names if re.fullmatch(shards, n)
            ]
            if weights:
                beside = [n for n in names if n.endswith(_BESIDE_WEIGHTS)]
                return beside + weights if self.weights else beside
        raise HubError(f"{self.repository} has no weights in a format that transformers reads")

    def _tokenizer(self) -> str:
        return next((name for name in _TOKENIZERS if self.path(name)), _TOKENIZERS[0])

    def _weights(self) -> list[str]:
        for single in _WEIGHTS:
            if self.path(single):
                return [single]
            if index := self.path(f"{single}.index.json"):
                return sorted(set(weight_map(index).values()))
        return [next(iter(_WEIGHTS))]


def snapshot(repository: str) -> Path:
    """The folder that holds a model of the cache; `fetch` it first.

    Raises:
        HubError: the cache has none.
    """
    want = Want(repository)
    config = want.path("config.json")
    if config is None:
        raise HubError(_by_hand([want]))
    return config.parent


def require_network(wants: Sequence[Want]) -> None:
    """Refuse what is missing where the hub may not be asked.

    Raises:
        HubError: names all that is missing at once, and how to get it.
    """
    lacking = [want for want in wants if want.missing()]
    if lacking and constants.is_offline_mode():
        raise HubError(f"HF_HUB_OFFLINE is set, but {_by_hand(lacking)}")


def fetch(wants: Sequence[Want], report: Callable[[str], None] = _log.info) -> None:
    """See that the cache has all of `wants`; `report` is given lines for people to read.

    Raises:
        HubError: something cannot be had; the message says what to do.
    """
    require_network(wants)
    lacking = [want for want in wants if want.missing()]
    files = [file for want in lacking for file in remote_files(want) if not file.linked]
    if not files:
        return
    require_space(files)
    progress = Progress(files, report)
    # The small ones first: a model's weights are there only if all the rest is.
    for file in sorted(files, key=lambda file: file.size):
        with _explained(file.repository, lacking):
            download(file, progress)
    report(f"downloaded {progress}")


def remote_files(want: Want) -> list[RemoteFile]:
    """What the hub has of `want`.

    Raises:
        HubError: it does not answer, or not to us.
    """
    with _explained(want.repository, [want]):
        info = HfApi().model_info(want.repository, files_metadata=True)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files = []
    for name in want.choose(siblings):
        sibling = siblings[name]
        large = sibling.lfs
        files.append(
            RemoteFile(
                repository=want.repository,
                name=name,
                commit=str(info.sha),
                size=int((large.size if large else sibling.size) or 0),
                hash=str(large.sha256 if large else sibling.blob_id),
                hashed=large is not None,
            )
        )
    return files


@contextmanager
def _explained(repository: str, lacking: Sequence[Want]) -> Iterator[None]:
    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        kind = HubUnreachable if _passes(error) else HubError
        raise kind(_why(error, repository, lacking)) from error


def _passes(error: Exception) -> bool:
    """Whether the same may go well in a while."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return not _is_local(error)


def _is_local(error: Exception) -> bool:
    """Whether it is our own disk that fails, and not the way to the hub."""
    return isinstance(error, OSError) and error.errno in _DISK_FAILURES


def _why(error: Exception, repository: str, lacking: Sequence[Want]) -> str:
    hub = constants.ENDPOINT
    if isinstance(error, GatedRepoError):
        terms = f"{repository} is gated: accept its terms at {hub}/{repository}"
        if get_token():
            return (
                f"{terms} with the account of your token (HF_TOKEN), which may not read it yet, "
                "then start again"
            )
        return f"{terms}, make a token at {hub}/settings/tokens, and set HF_TOKEN to it"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{hub} has no repository {repository}, or a private one: check the name, or set "
            "HF_TOKEN to a token that can read it"
        )
    if isinstance(error, HfHubHTTPError):
        return f"{hub} answered {error.response.status_code} for {repository}: {_line(error)}"
    if _is_local(error):
        return f"{constants.HF_HUB_CACHE} cannot be written: {_line(error)}; HF_HOME moves it"
    return (
        f"{hub} cannot be reached, or broke off: {_line(error)}. Start again when it can be; "
        f"what was downloaded is kept. Otherwise, {_by_hand(lacking)}"
    )


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _by_hand(lacking: Sequence[Want]) -> str:
    """Which files are missing, and how to bring them to a machine without network."""
    missing = "; ".join(f"{want.repository}: {', '.join(want.missing())}" for want in lacking)
    commands = [" ".join(["hf download", want.repository, *want.files]) for want in lacking]
    return (
        f"these files are not in {constants.HF_HUB_CACHE}: {missing}. Get them on a machine with "
        f"network by `{' && '.join(commands)}`, and copy that folder here"
    )
