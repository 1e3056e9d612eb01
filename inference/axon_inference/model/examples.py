"""Texts that activate features of an SAE most, where a file beside the model knows them.

The bundled model has such a file, which `demo_model/examples.py` writes and describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axon_inference.model.reading import reading

_FILE = "examples.npz"
_NONE = 65535


@dataclass(frozen=True)
class Examples:
    """Those of one SAE; the arrays are as the file has them."""

    tokens: npt.NDArray[Any]
    lengths: npt.NDArray[Any]
    texts: npt.NDArray[Any]
    values: npt.NDArray[Any]

    @classmethod
    def read(cls, sae: Path | None) -> Examples | None:
        """Those of an SAE in the folder MODEL/saes/NAME, None if there are none.

        Raises:
            Unservable: the file is damaged.
        """
        path = sae.parent.parent / _FILE if sae else None
        if not sae or not path or not path.is_file():
            return None
        with reading(f"the examples in {path}"), np.load(path, allow_pickle=False) as file:
            if f"{sae.name}.text" not in file:
                return None
            names = ("tokens", "lengths", f"{sae.name}.text", f"{sae.name}.values")
            return cls(*(file[name] for name in names))

    def of(self, feature: int, most: int) -> list[tuple[list[int], list[float]]]:
        """Token ids and activations of the strongest examples of a feature."""
        found: list[tuple[list[int], list[float]]] = []
        for text, values in zip(self.texts[feature], self.values[feature], strict=True):
            if text != _NONE and len(found) < most:
                n = int(self.lengths[text])
                activations = values[:n].astype(np.float32).tolist()
                found.append((self.tokens[text, :n].tolist(), activations))
        return found
