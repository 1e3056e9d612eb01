"""Reading the weights and configurations of models and SAEs, which may be damaged.

The libraries that read them raise any exception then, or none. So JSON and the headers of weights
are read here first, weights are searched once for NaN and infinity, and an exception of a library
becomes one line that names what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from axon_service.logs import describe
from safetensors import safe_open
from torch import nn

from axon_inference.catalog.files import AGAIN, read_json, require_file, weight_map
from axon_inference.errors import Unservable

_INDEX = "model.safetensors.index.json"
_WEIGHTS = "model.safetensors"
# What transformers reads of a model's folder, beside the weights.
_CONFIGURATION = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Any exception of a library becomes Unservable; `what` names the folder and its purpose.

    Raises:
        Unservable: in one line.
    """
    try:
        yield
    except (Unservable, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise Unservable(f"{what} cannot be read ({describe(error)}): {AGAIN}") from error


def require_configuration(folder: Path) -> None:
    """Refuse a model's folder with a damaged file of JSON.

    Raises:
        Unservable: names the file.
    """
    for path in (folder / name for name in _CONFIGURATION):
        if path.is_symlink() or path.exists():
            read_json(path)


def require_weights(folder: Path) -> None:
    """Refuse a model's folder whose safetensors are missing or damaged.

    Raises:
        Unservable: names the file.
    """
    if not _exists(folder / _WEIGHTS) and _exists(folder / _INDEX):
        for name in sorted(set(weight_map(folder / _INDEX).values())):
            tensors_in(folder / name)
    elif _exists(folder / _WEIGHTS) or not any(folder.glob("pytorch_model*.bin")):
        tensors_in(folder / _WEIGHTS)


def weights_file(folder: Path, tensor: str) -> Path:
    """The file that a model's tensor comes from."""
    if _exists(folder / _WEIGHTS) or not _exists(folder / _INDEX):
        return folder / _WEIGHTS
    # A checkpoint of the base model names its tensors without the prefix.
    fitting = [file for name, file in weight_map(folder / _INDEX).items() if tensor.endswith(name)]
    return folder / (fitting[0] if fitting else _INDEX)


class Stored(NamedTuple):
    """What a safetensors file says of a tensor."""

    dtype: str
    shape: list[int]


def tensors_in(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, from its header.

    Raises:
        Unservable: names the file.
    """
    require_file(path)
    with reading(str(path)), safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: Stored(part.get_dtype(), part.get_shape()) for name, part in slices.items()}


def require_finite(module: nn.Module, file: Callable[[str], Path | str]) -> None:
    """Refuse weights that are NaN or infinite; one pass over them, at the memory's speed.

    `file` says where a tensor comes from.

    Raises:
        Unservable: names the file and the tensor.
    """
    weights = [(n, p) for n, p in module.named_parameters() if p.is_floating_point() and p.numel()]
    if not weights:
        return
    # NaN if anything is, and infinite if anything is; in one answer from the device.
    bounds = torch.stack([torch.stack(p.detach().aminmax()).float() for _, p in weights])
    for (name, weight), good in zip(weights, bounds.isfinite().all(-1).tolist(), strict=True):
        if not good:
            dtype = str(weight.dtype).removeprefix("torch.")
            smaller = "" if dtype == "float32" else ", or set AXON_DTYPE to a type that holds them"
            raise Unservable(
                f"{file(name)}: values of the tensor {name} are not finite in {dtype}: "
                f"{AGAIN}{smaller}"
            )


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
