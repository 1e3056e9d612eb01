"""Names of districts, from the labels of their features.

A district is named by the phrases that set its labels apart: those of one to four words that far
more of its labels have than labels elsewhere. They are ranked by their term of the log-likelihood
ratio, n log(p / q), where n labels of the district, a share p, have the phrase, and a share q
elsewhere (Dunning, 1993). A word of a phrase adds to it, so that "line breaks" goes before
"breaks". Plain class-based TF-IDF named districts after the words that explainers put into each
label.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

#: Phrases in a name, and words in a phrase.
_PHRASES, _LONGEST = 2, 4
#: Labels that must have a phrase before it can name a district, at least and as a share; and how
#: many times as frequent as elsewhere it must be.
_FEWEST, _SHARE, _TIMES = 2, 0.01, 2.0
#: What another word in a phrase adds to its rank, as a share.
_LONGER = 0.35
#: A phrase does not begin or end with a word that so many labels have, and so large a share of all.
_MANY, _COMMON = 20, 0.1
#: Tokens in a provisional name, each with two letters at least.
_TOKENS = 3
_NAME = re.compile(r"[^\W\d_]{2,}")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
_LETTER = re.compile(r"[^\W\d_]")
#: What phrases do not go across.
_BREAK = re.compile(r"""["“”.,:;()]| or | and """)
#: Words that say nothing of what a label is about.
_STOP = frozenset(
    _WORD.findall("""
    a about after all also am an and any are as at be been before but by can do for from had has
    have her his if in into is it its may no nor not of on one or other our over says she so
    some such than that the their them then these they this those to under was we were what when
    where which while who will with you
    """)
)


def typical(labels: Sequence[Sequence[str]]) -> list[str]:
    """A name for each class of labels, "" where no phrase is typical of it."""
    total = sum(map(len, labels))
    words = Counter(word for some in labels for label in some for word in _words_of(label))
    edges = _STOP | {word for word, count in words.items() if count > max(_MANY, _COMMON * total)}
    counts = [
        Counter(phrase for label in some for phrase in _phrases(label, edges)) for some in labels
    ]
    everywhere: Counter[str] = Counter()
    for own in counts:
        everywhere.update(own)
    names = []
    for some, own in zip(labels, counts, strict=True):
        ranks = {
            phrase: rank
            for phrase, count in own.items()
            if (rank := _rank(phrase, count, len(some), everywhere[phrase], total))
        }
        names.append(", ".join(_best(ranks)))
    return names


def plain(texts: Iterable[str]) -> str:
    """A name from the texts of tokens, the best first."""
    words = dict.fromkeys(text.strip() for text in texts if _NAME.search(text))
    return ", ".join(list(words)[:_TOKENS])


def _words_of(label: str) -> set[str]:
    return set(_WORD.findall(label.lower()))


def _phrases(label: str, edges: Set[str]) -> set[str]:
    found = set()
    for part in _BREAK.split(label.lower()):
        words = _WORD.findall(part)
        for begin in range(len(words)):
            for end in range(begin + 1, min(begin + _LONGEST, len(words)) + 1):
                phrase = " ".join(words[begin:end])
                if not {words[begin], words[end - 1]} & edges and not _LETTER.fullmatch(phrase):
                    found.add(phrase)
    return found


def _rank(phrase: str, count: int, size: int, everywhere: int, total: int) -> float:
    """Of a phrase that `count` of the `size` labels of a class have; 0 if it cannot name it."""
    # Half a label in each place keeps the logarithm finite.
    own, elsewhere = (count + 0.5) / (size + 1), (everywhere - count + 0.5) / (total - size + 1)
    if count < max(_FEWEST, _SHARE * size) or own < _TIMES * elsewhere:
        return 0.0
    return count * math.log(own / elsewhere) * (1 + _LONGER * phrase.count(" "))


def _best(ranks: Mapping[str, float]) -> list[str]:
    """The phrases that rank highest, none with a word of another."""
    best: list[str] = []
    for phrase in sorted(ranks, key=lambda phrase: (-ranks[phrase], phrase)):
        if len(best) == _PHRASES:
            break
        if not any({*phrase.split()} & {*other.split()} for other in best):
            best.append(phrase)
    return best
