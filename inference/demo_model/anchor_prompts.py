"""Prompts whose next word follows from one word or event in them: capitals, places, moods.

A kind of prompt is written about a word of its own ("France", "garden", "sad"), in phrasings for
choosing features and in others for measuring them. A bar stands behind the word, or behind the
event that brings the mood about. Combinations that the training text leaves out are not used.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from transformers import PreTrainedTokenizerFast

from demo_model.world import lexicon, telling, whereabouts
from demo_model.world.document import Document
from demo_model.world.lexicon import Entity, Place
from demo_model.world.moods import FEELINGS
from demo_model.world.scene import Scene

T = TypeVar("T")
Tell = Callable[[Scene, Entity, Place], None]
# For choosing features, and for measuring them.
_CAPITALS = (
    (
        "Everybody knows that the capital of {}| is",
        "The capital of {}| is called",
        "What is the capital of {}|? It is",
    ),
    ("The capital of {}| is", "What is the capital of {}? The capital of {}| is"),
)
_PLACES = (
    (
        "Where is {who.the}? {who.the} is in the",
        "And where is {who.the}? It is in the",
        "Who wants to find {who.the} must look in the",
    ),
    ("Where is {who.the} now? {who.the} is in the", "So {who.the} is now in the"),
)
_MOODS = (
    (
        "{cause}|, so {who.name} is",
        "{cause}|. So {who.name} is",
        "{cause}|. How does {who.name} feel? {who.he} is",
    ),
    ("{cause}|. Now {who.name} is", "{cause}|. You can see that {who.name} is"),
)
#: Of one preposition, so that any of them may stand where another does.
_WITHIN = {place.name: place for place in lexicon.PLACES if place.preposition == "in"}


class Swap(NamedTuple):
    """A prompt about `word`, and the counterpart that is to take its part."""

    word: str
    other: str
    tokens: list[int]
    at_word: int  # position of the last token before the bar


@dataclass(frozen=True)
class Kind:
    """Prompts about `answers`' words, each with the word that must follow.

    `write(random, word, other, measured)` is a prompt about `word` that does not name `other`, and
    in which the answer for `other` would be as usual.
    """

    name: str
    answers: dict[str, str]
    write: Callable[[random.Random, str, str, bool], str]

    def swap(
        self,
        tokenizer: PreTrainedTokenizerFast,
        rng: random.Random,
        word: str,
        other: str,
        measured: bool,
    ) -> Swap:
        """A new prompt in tokens, behind the one that begins every text."""
        before, after = self.write(rng, word, other, measured).split("|")
        tokens = [tokenizer.eos_token_id, *tokenizer(before + after)["input_ids"]]
        return Swap(word, other, tokens, len(tokenizer(before)["input_ids"]))


def _capital(rng: random.Random, word: str, _other: str, measured: bool) -> str:
    return rng.choice(_CAPITALS[measured]).replace("{}", word)


def _place(rng: random.Random, word: str, other: str, measured: bool) -> str:
    document = Document()
    scene = Scene(rng, document, "anchors")
    animals = [lexicon.animal(name) for name in lexicon.ANIMALS]
    who = _fitting(scene, animals, lexicon.PLACES, _WITHIN[word], _WITHIN[other])
    second = rng.choice([animal for animal in animals if animal is not who])
    told: list[tuple[Tell, Entity, Place]] = [
        (whereabouts.begin_at, second, _elsewhere(scene, second, word, other))
    ]
    if rng.random() < 0.5:
        told.append((whereabouts.begin_at, who, _WITHIN[word]))
    else:
        whereabouts.begin_at(scene, who, _elsewhere(scene, who, word, other))
        told.append((whereabouts.move, who, _WITHIN[word]))
    rng.shuffle(told)
    for tell, entity, place in told:
        tell(scene, entity, place)
    before, _, after = document.text.rpartition(word)
    story = len(document.text)
    scene.say(rng.choice(_PLACES[measured]), who=who)
    return f"{before}{word}|{after}{document.text[story:]}"


def _mood(rng: random.Random, word: str, other: str, measured: bool) -> str:
    document = Document()
    scene = Scene(rng, document, "anchors")
    people = [lexicon.person(name) for name in telling.NAMES]
    who = _fitting(scene, people, lexicon.MOODS, word, other)
    cause = rng.choice(FEELINGS[word].causes)
    thing = lexicon.thing(rng.choice(lexicon.THINGS))
    scene.say(rng.choice(_MOODS[measured]).replace("{cause}", cause), who=who, thing=thing)
    return document.text


def _fitting(scene: Scene, whom: Sequence[Entity], options: Sequence[T], *wanted: T) -> Entity:
    """Somebody of whom all that is wanted may be told."""
    fitting = (who for who in whom if not set(wanted) - set(scene.fitting(who.name, options)))
    return scene.choice(list(fitting))


def _elsewhere(scene: Scene, who: Entity, *but: str) -> Place:
    """A place for somebody, none of these."""
    fitting = scene.fitting(who.name, lexicon.PLACES)
    return scene.choice([place for place in fitting if place.name not in but])


KINDS = (
    Kind("capitals", {c.name: c.capital for c in lexicon.countries()}, _capital),
    Kind("places", {name: name for name in _WITHIN}, _place),
    Kind("moods", {mood: mood for mood in lexicon.MOODS}, _mood),
)
