"""What several tests of the recipe need: text, its tokenizer, and torch left as it was."""

from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from demo_model import tokenizer
from demo_model.world.scene import Document
from demo_model.world.writer import Writer
from transformers import PreTrainedTokenizerFast

SEED = 7
N_DOCUMENTS = 300
CONTEXT = 128


@pytest.fixture(scope="session")
def training() -> list[Document]:
    """Text as the model is trained on it."""
    return list(islice(Writer(SEED).documents(), N_DOCUMENTS))


@pytest.fixture(scope="session")
def held_out() -> list[Document]:
    """Text that only measures."""
    return list(islice(Writer(SEED, held_out=True).documents(), N_DOCUMENTS))


@pytest.fixture(scope="session")
def words(training: list[Document]) -> PreTrainedTokenizerFast:
    """A tokenizer of the real size."""
    return tokenizer.train((document.text for document in training), 2048, CONTEXT)


@pytest.fixture(scope="module", autouse=True)
def torch_as_before() -> Iterator[None]:
    """Training decides on threads and deterministic sums for the whole process."""
    threads = torch.get_num_threads()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
