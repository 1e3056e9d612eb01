"""The best n-gram as a measure of what mere counting of words would know of the same questions.

An n-gram of order n answers with the token that followed the n - 1 tokens before most often in the
training text. Where it has never seen them it looks at fewer.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from demo_model.probes import Bools, Question

LONGEST = 8
_ROWS_AT_ONCE = 2000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # an odd number with no pattern: 2^64 / the golden ratio
Hashes = NDArray[np.uint64]
Counts = dict[int, int]  # how often each token came next


def best(
    train: torch.Tensor, rows: torch.Tensor, asked: Sequence[Question]
) -> dict[str, tuple[int, float]]:
    """For each task the order that answers most of its questions about `rows`, and that share.

    `train` [n_rows, context] is the text that is counted.
    """
    places = [
        (question.row, question.start + offset)
        for question in asked
        for offset in range(len(question.answer))
    ]
    followers = [_followers(train, rows, places, length) for length in range(LONGEST)]
    tasks = np.array([question.task for question in asked])
    found: dict[str, tuple[int, float]] = {}
    for order in range(1, LONGEST + 1):
        right = _answered(asked, [*reversed(followers[:order])])
        for task in np.unique(tasks):
            share = float(right[tasks == task].mean())
            if share > found.get(str(task), (0, -1.0))[1]:
                found[str(task)] = (order, share)
    return found


def _answered(asked: Sequence[Question], followers: list[list[Counts]]) -> Bools:
    """`followers` of the longest context first; each has an entry for every token of an answer."""
    right = np.zeros(len(asked), dtype=bool)
    place = 0
    for number, question in enumerate(asked):
        ok = True
        for token in question.answer:
            seen = [counts[place] for counts in followers]
            ok = ok and _likeliest(token, question.rivals, seen)
            place += 1
            if question.rivals:
                place += len(question.answer) - 1
                break
        right[number] = ok
    return right


def _likeliest(token: int, rivals: Sequence[int], seen: list[Counts]) -> bool:
    """Whether the longest context that was seen says `token`, among `rivals` if there are any."""
    for counts in seen:
        candidates = [token, *rivals] if rivals else list(counts)
        most = max((counts.get(candidate, 0) for candidate in candidates), default=0)
        if most:
            winners = [c for c in candidates if counts.get(c, 0) == most]
            return winners == [token]
    return False


def _followers(
    train: torch.Tensor, rows: torch.Tensor, places: Sequence[tuple[int, int]], length: int
) -> list[Counts]:
    """For each place (row, position), what followed the `length` tokens before it in training."""
    tokens = rows.numpy()
    context = tokens.shape[1]
    keys = _hashes(tokens, length)
    wanted = np.array([keys[row, at] if at >= length else 0 for row, at in places], np.uint64)
    known, number = np.unique(wanted, return_inverse=True)
    counted: list[Counts] = [{} for _ in known]
    for which, following, count in _count(train, known, length, context):
        counted[which][following] = counted[which].get(following, 0) + count
    empty: Counts = {}
    return [
        counted[n] if at >= length else empty for n, (_, at) in zip(number, places, strict=True)
    ]


def _count(
    train: torch.Tensor, known: Hashes, length: int, context: int
) -> Iterator[tuple[int, int, int]]:
    """Number in `known`, token that followed, how often; part by part of the training text."""
    for part in torch.split(train, _ROWS_AT_ONCE):
        tokens = part.numpy()
        keys = _hashes(tokens, length)[:, length:].ravel()
        at = np.searchsorted(known, keys).clip(max=len(known) - 1)
        hit = known[at] == keys
        following = tokens[:, length:].ravel()[hit]
        pairs, counts = np.unique(np.stack([at[hit], following]), axis=1, return_counts=True)
        yield from zip(*pairs.tolist(), counts.tolist(), strict=True)


def _hashes(tokens: NDArray[np.int64], length: int) -> Hashes:
    """A hash of the `length` tokens before each position [n_rows, context]; 0 at the first."""
    keys = np.zeros(tokens.shape, np.uint64)
    with np.errstate(over="ignore"):
        for back in range(length, 0, -1):
            before = tokens[:, length - back : tokens.shape[1] - back].astype(np.uint64)
            keys[:, length:] = keys[:, length:] * _FACTOR + before + np.uint64(1)
            keys[:, length:] ^= keys[:, length:] >> np.uint64(29)
    return keys
