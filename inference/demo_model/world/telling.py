"""What all scenes need: whom they are about, and sentences that change nothing."""

from collections.abc import Sequence
from typing import TypeVar

from demo_model.world import lexicon
from demo_model.world.lexicon import Entity
from demo_model.world.scene import Scene

T = TypeVar("T")
NAMES = lexicon.GIRLS + lexicon.BOYS
_ASIDES = (
    "The sun <is shining|shines|is warm>.",
    "It is <quiet|a quiet day|a fine day|late|early>.",
    "A <bird|clock|bell> can be heard <outside|far away>.",
    "Nobody <says a word|is in a hurry|looks up>.",
    "Soon it is time for <lunch|tea|supper|bed>.",
    "What a <fine|funny|long> day!",
    "The birds <sing|sing in the trees>.",
    "Somebody <laughs|sings> <outside|in the street>.",
)


def people(scene: Scene, n: int) -> list[Entity]:
    """Different boys and girls."""
    return [lexicon.person(name) for name in scene.some(NAMES, n)]


def animals(scene: Scene, n: int) -> list[Entity]:
    """Different animals."""
    return [lexicon.animal(name) for name in scene.some(lexicon.ANIMALS, n)]


def aside(scene: Scene, share: float = 0.25) -> None:
    """Now and then a sentence that changes nothing."""
    if scene.chance(share):
        scene.say(*_ASIDES)


def passing(scene: Scene, first: str, options: Sequence[T]) -> list[T]:
    """What may be told of `first` on the way to the answer: all of it, where text is held out."""
    return list(options) if scene.held_out else scene.fitting(first, options)


def another(scene: Scene, options: Sequence[T], *but: T) -> T:
    """One of the options that is none of `but`."""
    left = [option for option in options if option not in but]
    return scene.choice(left or options)


def once_upon_a_time(scene: Scene, who: Entity, share: float = 0.15) -> None:
    """Now and then somebody is introduced as fairy tales do it."""
    if not scene.chance(share):
        return
    kind = {"girls": "girl", "boys": "boy"}.get(who.concept)
    if kind is None:
        scene.say(
            "Once upon a time there was {a who}.", "There was once {a who}.",
            "This is a story about {a who}.", who=who,
        )  # fmt: skip
        return
    scene.say(
        "Once upon a time there was a {kind} called {who.name}.",
        "There was once a {kind} called {who.name}.", "This is a story about {who.name}.",
        kind=kind, who=who,
    )  # fmt: skip
