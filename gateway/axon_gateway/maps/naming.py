"""Names of districts, from the labels of their features.

The labels of one district are taken as one text. Its words are those that are more frequent in it
than in all others, by the z-score of their log-odds with the frequency everywhere as prior (Monroe,
Colaresi and Quinn, 2008, section 3.3.1). Plain class-based TF-IDF names districts after
the words that explainers put into each label.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Words in a name.
_WORDS = 2
#: Labels that must have a word before it can name a district, its least z-score, and how many times
#: as frequent as elsewhere it must be: all that is in each label is not.
_FEWEST, _LEAST, _TIMES = 2, 1.0, 2.5
#: A word is two letters at least.
_WORD = re.compile(r"[^\W\d_]{2,}(?:'[^\W\d_]+)*")
#: Words that say nothing of what a label is about.
_STOP = {
    *("about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been"),
    *("before", "but", "by", "can", "do", "for", "from", "had", "has", "have", "her", "his", "if"),
    *("in", "into", "is", "it", "its", "may", "no", "nor", "not", "of", "on", "one", "or", "other"),
    *("our", "over", "says", "she", "so", "some", "such", "than", "that", "the", "their", "them"),
    *("then", "these", "they", "this", "those", "to", "under", "was", "we", "were", "what", "when"),
    *("where", "which", "while", "who", "will", "with", "you"),
}


def typical(labels: Sequence[Iterable[str]]) -> list[str]:
    """A name for each class of labels, "" where no word is typical of it."""
    counts = [_counts(some) for some in labels]
    everywhere: Counter[str] = Counter()
    for some in counts:
        everywhere.update(some)
    return [", ".join(_words(some, everywhere)) for some in counts]


def plain(texts: Iterable[str]) -> str:
    """A name from the texts of tokens, the best first."""
    words = dict.fromkeys(text.strip() for text in texts if _WORD.search(text))
    return ", ".join(list(words)[: _WORDS + 1])


def _counts(labels: Iterable[str]) -> Counter[str]:
    """In how many of the labels each word is."""
    return Counter(word for label in labels for word in set(_WORD.findall(label.lower())) - _STOP)


def _words(counts: Counter[str], everywhere: Counter[str]) -> list[str]:
    scores = {
        word: _score(count, counts.total(), everywhere[word], everywhere.total())
        for word, count in counts.items()
        if count >= _FEWEST
    }
    typical = (word for word, score in scores.items() if score > _LEAST)
    return sorted(typical, key=lambda word: (-scores[word], word))[:_WORDS]


def _score(count: int, size: int, everywhere: int, all_: int) -> float:
    """Of a word that is `count` times among the `size` words of a class; 0 if it is too frequent
    elsewhere."""
    # Half a word in each place keeps the logarithms finite.
    other, others = everywhere - count + 0.5, all_ - size + 1.0
    own, owns = count + 0.5, size + 1.0
    if own / owns < _TIMES * other / others:
        return 0.0
    odds = math.log(own / (owns - own)) - math.log(other / (others - other))
    return odds / math.sqrt(1 / own + 1 / other)
