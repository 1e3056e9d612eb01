"""Names of districts, from the labels of their features.

A class-based TF-IDF (Grootendorst, 2022, section 3.3): the labels of one district are taken as one
text. A word is typical of it if it is frequent there and rare elsewhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Words in a name.
_WORDS = 2
#: Labels that must have a word before it can name a district.
_FEWEST = 2
#: A word is two letters at least, or a number.
_WORD = re.compile(r"[^\W\d_]{2,}(?:'[^\W\d_]+)*|\d+")
#: They say nothing of what a label is about.
_STOP = frozenset(
    """
    a about above after again all also an and any are as at be because been before being below
    between both but by can could did do does doing done each either etc every few followed for
    from further had has have having how if in indicating inside into is it its just like may
    more most much near no nor not of off often on once one only or other out outside over
    particularly phrase phrases preceding reference references referring related right same so
    some specific specifically such text texts than that the their them then there these they
    this those through to together token tokens too towards under up use used using various very
    was were what when where whether which while who with within without word words
    """.split()
)


def typical(labels: Sequence[Iterable[str]]) -> list[str]:
    """A name for each class of labels, "" where no word is in two of them."""
    return [", ".join(words) for words in _typical([_counts(some) for some in labels])]


def plain(texts: Iterable[str]) -> str:
    """A name from the texts of tokens, the best first."""
    words = dict.fromkeys(text.strip() for text in texts if _WORD.search(text))
    return ", ".join(list(words)[: _WORDS + 1])


def _counts(labels: Iterable[str]) -> Counter[str]:
    """In how many of the labels each word is."""
    return Counter(
        word for label in labels for word in set(_WORD.findall(label.lower())) if word not in _STOP
    )


def _typical(counts: Sequence[Counter[str]]) -> list[list[str]]:
    everywhere: Counter[str] = Counter()
    for some in counts:
        everywhere.update(some)
    average = everywhere.total() / max(1, len(counts))

    def weight(word: str, count: int) -> float:
        return count * math.log(1 + average / everywhere[word])

    return [
        sorted(
            (word for word, count in some.items() if count >= _FEWEST),
            key=lambda word: (-weight(word, some[word]), word),
        )[:_WORDS]
        for some in counts
    ]
