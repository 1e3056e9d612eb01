"""What the world's programs, countries and days say is true."""

import contextlib
import io
import random
import re
from functools import cache

import pytest
from demo_model.world import countries, days, lexicon, programs
from demo_model.world.lexicon import DAYS, PLACES, WEATHER
from demo_model.world.scene import Document, Fact, Scene, Writes
from demo_model.world.snippets import OUTPUTS, VALUES

N_SCENES = 3000
WRITERS: dict[str, tuple[Writes, ...]] = {
    "programs": programs.SCENES, "countries": countries.SCENES, "days": days.SCENES,
}  # fmt: skip
CODE = re.compile(r"(print\(|for |if |else:|def |    |\w+ \+?= |\w+\.append)")
SAID = re.compile(
    r"(the day after tomorrow|the day before yesterday|tomorrow|yesterday|in three days)"
    r'(?: it (?:is|was)|\?" \w+ it (?:is|was)|\? It (?:is|was)|\?" It (?:is|was)) (\w+day)',
    re.I,
)


@cache
def write(topic: str, n: int, held_out: bool = False) -> list[Document]:
    rng = random.Random(f"{topic} {held_out}")
    documents = []
    for _ in range(n):
        document = Document()
        scene = Scene(rng, document, topic, held_out)
        rng.choice(WRITERS[topic])(scene)
        documents.append(document)
    return documents


def known_in(document: Document) -> set[Fact]:
    """All that holds anywhere in a text."""
    return {fact for state in {word.state for word in document.words} for fact in state}


def run(program: str) -> list[str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    return printed.getvalue().splitlines()


@pytest.mark.parametrize("held_out", [False, True])
def test_programs_print_what_python_prints(held_out: bool) -> None:
    executed = 0
    for document in write("programs", N_SCENES, held_out):
        lines = document.text.splitlines()
        marks = [n for n, line in enumerate(lines) if line in OUTPUTS]
        end = marks[0] if marks else len(lines)
        code = [line for line in lines[:end] if CODE.match(line)]
        if not code:
            continue
        executed += 1
        printed = run("\n".join(code))
        if marks:
            said = [line for line in lines[end + 1 :] if not line.startswith("The reason:")]
            assert printed == said, document.text
            continue
        said = [line.split("  # ", 1)[1] for line in code if "  # " in line]
        assert len(printed) == len(said), document.text
        assert all(s.split(" ")[-1] == p.split(" ")[-1] for s, p in zip(said, printed, strict=True))
        assert all(s.endswith(p) for s, p in zip(said, printed, strict=True)), document.text
    assert executed > N_SCENES // 2


def numbers_of(text: str, names: set[str]) -> set[tuple[str, int]]:
    """What a text states of variables: `x = 3`, `print(x)  # 3`, "x is 3"."""
    found = re.findall(r"\b(\w+) (?:=|is|becomes|gets|be) (\d+)$", text, re.M)
    found += re.findall(r"print\((\w+)\)  # .*?(\d+)$", text, re.M)
    found += re.findall(r"\b(\w+) (?:=|is|becomes|gets|be|the value) (\d+)\.", text)
    return {(name, int(n)) for name, n in found if name in names}


def test_no_training_program_has_a_held_out_value() -> None:
    held = Scene(random.Random(0), Document(), "", held_out=True)
    names = {*programs.VARIABLES}
    for document in write("programs", N_SCENES):
        for name, n in numbers_of(document.text, names):
            assert n not in held.fitting(name, VALUES), document.text
        for subject, what in known_in(document):
            value = re.fullmatch(r"is (\d+)", what)
            if value and subject in names:
                assert int(value[1]) not in held.fitting(subject, VALUES)


def answers(document: Document, task: str) -> list[str]:
    return [document.text[p.start : p.end] for p in document.probes if p.task == task]


@pytest.mark.parametrize("held_out", [False, True])
def test_capitals_and_languages_are_right(held_out: bool) -> None:
    known = {country.name: country for country in lexicon.countries()}
    cities = {country.capital: country for country in lexicon.countries()}
    seen = set()
    for document in write("countries", N_SCENES, held_out):
        for probe in document.probes:
            answer = document.text[probe.start : probe.end]
            if probe.task == "capital":
                seen.add(answer)
                near = document.text[max(0, probe.start - 150) : probe.end + 60]
                assert cities[answer].name in near or cities[answer].people in near, near
            elif probe.task == "home":
                assert answer in known
        for subject, what in known_in(document):
            if subject in known:
                country = known[subject]
                assert what in (
                    f"has the capital {country.capital}",
                    f"speaks {country.language}",
                    f"is in {country.continent}",
                )
    assert seen == set(cities)


def test_main_phrasing_of_the_capital_comes_most() -> None:
    texts = [document.text for document in write("countries", N_SCENES)]
    main = sum(len(re.findall(r"The capital of [\w ]+ is [A-Z]", text)) for text in texts)
    assert main > N_SCENES / 5


@pytest.mark.parametrize("held_out", [False, True])
def test_days_follow_each_other(held_out: bool) -> None:
    today_is = re.compile(r"(?:Today is|It is|\. It is) (\w+day)\b|and (\w+day) (?:begins|is here)")
    checked = 0
    for document in write("days", N_SCENES, held_out):
        first = today_is.search(document.text)
        for kind, answer in SAID.findall(document.text):
            assert first, document.text
            today = first[1] or first[2]
            step = days._STEPS[kind.lower()]
            assert DAYS[(DAYS.index(today) + step) % len(DAYS)] == answer, document.text
            checked += 1
    assert checked > N_SCENES // 10


def test_no_training_text_of_days_has_a_held_out_combination() -> None:
    held = Scene(random.Random(0), Document(), "", held_out=True)
    places = {place.there: place for place in PLACES}
    for document in write("days", N_SCENES):
        for kind, day in SAID.findall(document.text):
            assert day not in held.fitting(kind.lower(), DAYS), document.text
        for subject, what in known_in(document):
            if subject in DAYS:
                assert what.removeprefix("is ") not in held.fitting(subject, WEATHER)
            plan = re.fullmatch(r"is (.* the \w+) on \w+day", what)
            if plan:
                assert places[plan[1]] not in held.fitting(subject, PLACES)


def test_travellers_speak_the_language_of_their_home() -> None:
    languages = {country.name: country.language for country in lexicon.countries()}
    for document in write("countries", N_SCENES):
        facts = known_in(document)
        homes = {s: w.removeprefix("comes from ") for s, w in facts if w.startswith("comes from")}
        for subject, what in facts:
            if subject in homes and what.startswith("speaks "):
                assert what == f"speaks {languages[homes[subject]]}"


def test_no_traveller_of_the_training_text_has_a_held_out_home() -> None:
    held = Scene(random.Random(0), Document(), "", held_out=True)
    for document in write("countries", N_SCENES):
        for subject, what in known_in(document):
            if what.startswith(("comes from ", "travels to ")):
                names = [c.name for c in held.fitting(subject, lexicon.countries())]
                assert what.split(" ", 2)[2] not in names


def test_training_text_asks_for_capitals_in_25_ways() -> None:
    words = [word for document in write("countries", N_SCENES) for word in document.words]
    assert len({word.phrasing for word in words if word.task == "capital"}) >= 25


def fixed(phrasing: str) -> str:
    """A phrasing with its slots as a pattern for any of their values."""
    parts = re.split(r"\{[^}]*\}", phrasing.split("<")[0].removesuffix("."))
    return r"\w[\w ]*".join(re.escape(part) for part in parts)


@pytest.mark.parametrize("topic", WRITERS)
def test_no_training_text_has_a_held_out_phrasing(topic: str) -> None:
    trained = {word.phrasing for d in write(topic, N_SCENES) for word in d.words}
    words = [word for document in write(topic, N_SCENES, True) for word in document.words]
    held = {word.phrasing for word in words if word.task not in ("", "agreement")}
    assert held
    assert not held & trained
    if topic == "countries":
        patterns = [re.compile(fixed(phrasing)) for phrasing in held]
        for document in write(topic, 500):
            for pattern in patterns:
                assert not pattern.search(document.text), (pattern, document.text)
