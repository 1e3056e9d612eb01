"""Stories and moods: answers follow from the text, and held-out combinations are kept apart."""

import ast
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from demo_model.world import lexicon, moods, stories
from demo_model.world.lexicon import ANIMALS, BOYS, CONTAINERS, GIRLS, MOODS, PLACES, THINGS
from demo_model.world.scene import Document, Scene, Writes

N_SCENES = 400
NAMES = GIRLS + BOYS
THERE = {place.there: place for place in PLACES}
PERSON = rf"({'|'.join(NAMES)}|[hH]e|[sS]he)"
THING = rf"({'|'.join(THINGS)})"
PLACE = re.compile(rf"(?i:in|at|on|by|to) the ({'|'.join(place.name for place in PLACES)})\b")
# Whom or what a question is about: the last of these before the answer.
ASKED = re.compile(
    r"(?:[wW]here is|[wW]here are|can we find|look for|wants to find|seen|where|So|needs|If)"
    r" (?:the )?(\w+)"
)
ASKED_THING = re.compile(rf"(?:(?:has|Now|want|needs) the|The) {THING}\b")
# Facts of which some combinations are held out.
KINDS = {
    "holder": re.compile(r"is with \w+"),
    "container": re.compile(rf"is in the ({'|'.join(CONTAINERS)})"),
    "place": re.compile(rf"is ({'|'.join(THERE)})"),
    "mood": re.compile(rf"is ({'|'.join(MOODS)})"),
}
# Who has what from now on.
TAKES = [
    (re.compile(pattern), who, thing)
    for pattern, who, thing in (
        (rf"(?:gives|shows) the {THING} to {PERSON}", 2, 1),
        (rf"{PERSON} takes the {THING} from", 1, 2),
        (rf"{PERSON}, take the {THING}", 1, 2),
        (rf"{PERSON} wants the {THING}", 1, 2),
        (rf'have the {THING}\?" asks {PERSON}', 2, 1),
        (rf"{PERSON} (?:has|finds|plays with|looks at|carries|got) an? {THING}", 1, 2),
        (rf"There is an? {THING} on the table. {PERSON} takes it", 2, 1),
    )
]


def write(scenes: tuple[Writes, ...], held_out: bool) -> Iterator[Document]:
    """One scene in each document."""
    rng = random.Random(5)
    for _ in range(N_SCENES):
        document = Document()
        rng.choice(scenes)(Scene(rng, document, "stories", held_out))
        yield document


def last_named(text: str, among: list[str]) -> str:
    """The last of some names in a text, or ""."""
    found = re.findall(rf"\b(?:{'|'.join(among)})\b", text)
    return found[-1] if found else ""


def person(text: str, name_or_pronoun: str) -> str:
    """Whom a name or a pronoun at the end of a text means."""
    genders = {"he": BOYS, "she": GIRLS}
    named = genders.get(name_or_pronoun.lower())
    return last_named(text, named) if named else name_or_pronoun


def places(text: str) -> dict[str, str]:
    """Where everybody and everything is at the end of a text."""
    where: dict[str, str] = {}
    end, waiting = 0, ""
    for sentence in re.split(r'(?<=[.?!])"? ', text):
        end = text.index(sentence, end) + len(sentence)
        before, found = text[:end], PLACE.findall(sentence)
        place = waiting or (found[-1] if found else "")
        waiting = place if "somebody" in sentence else ""
        if place and not waiting:
            words = re.findall(r"\w+", sentence)
            who = [word for word in words if word in {*NAMES, *ANIMALS, *THINGS}]
            who += [person(before, word) for word in words if word.lower() in ("he", "she")]
            if " it to " in sentence:
                who.append(last_named(before, ANIMALS + THINGS))
            where.update(dict.fromkeys(who, place))
    return where


def holders(text: str) -> dict[str, str]:
    """Who has each thing at the end of a text."""
    found = [
        (match.start(), match[thing], person(text[: match.end()], match[who]))
        for pattern, who, thing in TAKES
        for match in pattern.finditer(text)
    ]
    return {thing: who for _, thing, who in sorted(found)}


@pytest.mark.parametrize("held_out", [False, True])
def test_answers_follow_from_the_text_before_them(held_out: bool) -> None:
    tasks: list[str] = []
    for document in write(stories.SCENES, held_out):
        for probe in document.probes:
            before, answer = document.text[: probe.start], document.text[probe.start : probe.end]
            if probe.task == "holder":
                [*_, thing] = ASKED_THING.findall(before)
                assert holders(before)[thing] == answer, document.text
            elif answer in CONTAINERS:
                told = re.findall(rf"in the ({'|'.join(CONTAINERS)})", before)
                assert told[-1] == answer, document.text
            elif probe.task in ("place", "two moves", "carried"):
                [*_, who] = ASKED.findall(before)
                assert places(before)[who] == answer, document.text
            else:
                continue
            tasks.append(probe.task)
    for task in ("holder", "place", "two moves", "carried", "container"):
        assert tasks.count(task) > 10


@cache
def causes() -> list[tuple[re.Pattern[str], str]]:
    """What tells that somebody feels so."""
    slots = {"{who}": PERSON, "{who.name}": PERSON, "{who.his}": r"\w+", "{a thing}": r"an? \w+"}
    found = [(rf"{PERSON} (?:is |(?:laughs|smiles) again and is )?happy", "happy")]
    for mood, feeling in moods.FEELINGS.items():
        for cause in feeling.causes:
            for slot, pattern in {**slots, "{thing.name}": r"\w+"}.items():
                cause = cause.replace(slot, pattern, 1)
            found.append((rf"\b(?i:{cause[0]}){cause[1:]}" if cause[0].isalpha() else cause, mood))
    return [(re.compile(pattern), mood) for pattern, mood in found]


def feelings(text: str) -> dict[str, str]:
    """How everybody feels at the end of a text."""
    found = [
        (match.start(), person(text[: match.end()], match[1]), mood)
        for pattern, mood in causes()
        for match in pattern.finditer(text)
    ]
    return {who: mood for _, who, mood in sorted(found)}


@pytest.mark.parametrize("held_out", [False, True])
def test_somebody_feels_as_follows_from_what_happened(held_out: bool) -> None:
    asked = 0
    for document in write(moods.SCENES, held_out):
        for probe in document.probes:
            if probe.task == "mood":
                before, answer = (
                    document.text[: probe.start],
                    document.text[probe.start : probe.end],
                )
                assert feelings(before)[last_named(before, NAMES)] == answer, document.text
                asked += 1
    assert asked > N_SCENES / 2


def is_held_out(subject: str, what: str) -> bool:
    """Whether a fact of the stories or moods is a combination for measuring only."""
    held = Scene(random.Random(0), Document(), "", held_out=True)
    who = subject.removeprefix("the ")
    if what.startswith("is with "):
        return what.removeprefix("is with ") in held.fitting(who, NAMES)
    if what.removeprefix("is in the ") in CONTAINERS:
        return what.removeprefix("is in the ") in held.fitting(who, CONTAINERS)
    if what.removeprefix("is ") in THERE:
        return THERE[what.removeprefix("is ")] in held.fitting(who, PLACES)
    return what.removeprefix("is ") in held.fitting(who, MOODS)


def of_kind(document: Document, kind: str) -> list[tuple[str, str]]:
    """The facts of one kind that hold anywhere in a text."""
    facts = {fact for word in document.words for fact in word.state}
    return [fact for fact in facts if KINDS[kind].fullmatch(fact.what)]


@pytest.mark.parametrize("kind", ["place", "container"])
def test_no_training_text_states_a_held_out_combination(kind: str) -> None:
    seen = 0
    for document in write((*stories.SCENES, *moods.SCENES), held_out=False):
        for fact in of_kind(document, kind):
            assert not is_held_out(*fact), (fact, document.text)
            seen += 1
    assert seen > 50


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_held_out_combinations_are_answers_in_held_out_text_alone(
    kind: str, held_out: bool
) -> None:
    asked = 0
    for document in write((*stories.SCENES, *moods.SCENES), held_out):
        for probe in document.probes:
            answer = document.text[probe.start : probe.end]
            told = [fact for fact in of_kind(document, kind) if fact[1].endswith(f" {answer}")]
            if told and probe.task in {*KINDS, "two moves", "carried"}:
                right = [is_held_out(*fact) == held_out for fact in told]
                assert any(right), (answer, document.text)
                asked += 1
    assert asked > 20


def test_held_out_phrasings_are_in_held_out_text_only(
    training: list[Document], held_out: list[Document]
) -> None:
    sources = Path(lexicon.__file__).parent.glob("*.py")
    constants = (
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    )
    kept = {text[1:] for text in constants if isinstance(text, str) and re.match("~.", text)}
    used = [
        {word.phrasing for d in documents for word in d.words} for documents in (training, held_out)
    ]
    assert len(kept) > 20
    assert not kept & used[0]
    assert len(kept & used[1]) > 0.8 * len(kept)
