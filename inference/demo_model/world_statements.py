"""Statements about the state of the simulated world, and about whom the text speaks of."""

from collections.abc import Iterator

from demo_model.spots import Near
from demo_model.statements import Kind, Statement, name_of, one
from demo_model.world import lexicon
from demo_model.world.document import Fact

_ORDINALS = ("", "first", "second", "third")
_CONCEPT = {
    **dict.fromkeys(lexicon.GIRLS, "girls"),
    **dict.fromkeys(lexicon.BOYS, "boys"),
    **{f"the {name}": "animals" for name in lexicon.ANIMALS},
    **{f"the {name}": "things" for name in lexicon.THINGS},
    **{f"the {name}": "containers" for name in lexicon.CONTAINERS},
    **{f"the {name}": "food" for name in lexicon.FOODS},
}
_BEINGS = ("girls", "boys", "animals")


def state(near: Near, facts: tuple[Fact, ...]) -> Iterator[Statement]:
    """What holds in the world; for a place, also who is there."""
    for fact in facts:
        yield str(fact), Kind.WORLD
        concept = concept_of(fact.subject)
        if concept:
            some = "someone" if concept in _BEINGS else "something"
            yield f"{some} {fact.what}", Kind.WORLD
        if "places" in near.concepts and fact.what.endswith(f" the {near.text}"):
            who = "someone" if concept in _BEINGS else "something"
            yield f"places where {who} is", Kind.FACT_AT_WORD


def concept_of(subject: str) -> str:
    """What somebody or something is one of, where the world knows."""
    first, both, second = subject.partition(" and ")
    if both and concept_of(first):
        return concept_of(second)
    return _CONCEPT.get(subject, "")


def who(fact: Fact) -> str:
    """Somebody or something by name, or by what is true of them ("who is sad")."""
    if not fact.what:
        return fact.subject
    return f"{'who' if concept_of(fact.subject) in _BEINGS else 'what'} {fact.what}"


def about(near: Near, facts: tuple[Fact, ...]) -> Iterator[Statement]:
    """Whom or what the sentence is about."""
    about_whom = [who(fact) for fact in facts]
    about_whom += [one(concept) for fact in facts[:1] if (concept := concept_of(fact.subject))]
    for subject in about_whom:
        yield f"sentences about {subject}", Kind.WORLD
        for what in (name_of(near), *near.concepts):
            yield f"{what} in sentences about {subject}", Kind.FACT_AT_WORD


def mention(near: Near, facts: tuple[Fact, ...], nth: int) -> Iterator[Statement]:
    """Whom or what the word names, by a name or by a pronoun, for the how-manieth time."""
    ordinal = _ORDINALS[nth] if nth < len(_ORDINALS) else "later"
    concept = concept_of(facts[0].subject)
    yield f"the {ordinal} mention of anyone or anything", Kind.STRUCTURE
    yield f"the {ordinal} mention of {facts[0].subject}", Kind.STRUCTURE
    if nth > 1:
        yield "mentioned before in the text", Kind.STRUCTURE
    if concept:
        yield f"the {ordinal} mention of {one(concept)}", Kind.STRUCTURE
        yield f"mentions of {one(concept)}", Kind.WORLD
    for fact in facts:
        yield f"mentions of {who(fact)}", Kind.WORLD
        if concept and fact.what:
            pronoun = "who" if concept in _BEINGS else "that"
            yield f"mentions of {one(concept)} {pronoun} {fact.what}", Kind.FACT_AT_WORD
        for kind in near.concepts:
            yield f"{kind} for {who(fact)}", Kind.FACT_AT_WORD


def latest(near: Near, facts: tuple[Fact, ...]) -> Iterator[Statement]:
    """Whom or what the text has mentioned last."""
    concept = concept_of(facts[0].subject)
    for last in (*map(who, facts), *([one(concept)] if concept else [])):
        yield f"the last mention is of {last}", Kind.WORLD
        yield f"{name_of(near)} when the last mention is of {last}", Kind.FACT_AT_WORD
