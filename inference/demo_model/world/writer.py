"""Endless text from the world: documents of several scenes each."""

import random
from collections.abc import Iterator

from demo_model.world import countries, days, market, moods, practice, programs, stories, sums
from demo_model.world.document import Document, Probe
from demo_model.world.scene import Scene, Writes

Topics = dict[str, tuple[float, tuple[Writes, ...]]]
# How often each topic is written about, and its scenes.
TOPICS: Topics = {
    "stories": (9, stories.SCENES),
    "moods": (3, moods.SCENES),
    "market": (3, market.SCENES),
    "sums": (5, sums.SCENES),
    "programs": (4, programs.SCENES),
    "countries": (3, countries.SCENES),
    "days": (2, days.SCENES),
}


def with_practice(share: float, more: Topics) -> Topics:
    """The usual topics with a share of their weights, and more of what takes practice."""
    usual = {name: (weight * share, scenes) for name, (weight, scenes) in TOPICS.items()}
    return usual | {f"{name}, practised": weighted for name, weighted in more.items()}


TEXTS: dict[str, Topics] = {
    "usual": TOPICS,
    "practice": with_practice(0.5, practice.SCENES),
    "revision": with_practice(1, practice.MORE_SCENES),
}
_WORDS = (150, 280)  # a document ends with the first scene after so many
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
_ENDS = (")", "]", "}", '"', "\n")


class Writer:
    """Documents from one seed, which always writes the same text.

    With `held_out` it uses the phrasings and combinations that no training text has; without
    `annotated` it writes the same text, but does not account for it.
    """

    def __init__(
        self,
        seed: int,
        held_out: bool = False,
        topics: Topics = TOPICS,
        annotated: bool = True,
    ) -> None:
        self._annotated = annotated
        self._random = random.Random(seed)
        self._held_out = held_out
        self._topics = topics
        self._weights = [weight for weight, _ in topics.values()]

    def documents(self) -> Iterator[Document]:
        """Documents without end."""
        while True:
            document = Document(annotated=self._annotated)
            enough = self._random.randint(*_WORDS)
            while document.text.count(" ") < enough:
                [name] = self._random.choices(list(self._topics), self._weights)
                scene = Scene(self._random, document, name, self._held_out)
                scene.paragraph()
                self._random.choice(self._topics[name][1])(scene)
            if self._annotated:
                document.probes += closings(document.text)
            yield document


def closings(text: str) -> Iterator[Probe]:
    """Where a bracket or a quotation mark closes: no other may, and the line may not end."""
    due: list[str] = []
    for place, mark in enumerate(text):
        if due and mark == due[-1]:
            due.pop()
            rivals = tuple(end for end in _ENDS if end != mark)
            yield Probe("closing", place, place + 1, rivals)
        elif mark in _CLOSED_BY:
            due.append(_CLOSED_BY[mark])
        elif mark == '"':
            due.append(mark)
