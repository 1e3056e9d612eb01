"""Sums and the market: right answers, held-out pairs kept apart, facts at every measured word."""

import re
import zlib
from itertools import islice

import pytest
from demo_model.world import lexicon, market, sums
from demo_model.world.scene import NUMBER_WORDS, Document, Probe, Word
from demo_model.world.writer import Writer

N_DOCUMENTS = {False: 700, True: 250}  # of several scenes each, for training and held out
TOPICS = {"sums": (1.0, sums.SCENES), "market": (1.0, market.SCENES)}
VALUE = {word: n for n, word in enumerate(NUMBER_WORDS)} | {str(n): n for n in range(100)}
NUMBER = r"(\d+|" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + ")"
EQUATION = re.compile(r"\b(\d+) ([+-]) (\d+) = (\d+)\b")
PLUS = re.compile(rf"(?<!from )\b{NUMBER} (?:\+|and|plus) {NUMBER}\b", re.IGNORECASE)


def write(held_out: bool) -> list[Document]:
    return list(islice(Writer(11, held_out, topics=TOPICS).documents(), N_DOCUMENTS[held_out]))


@pytest.fixture(scope="module")
def training() -> list[Document]:
    return write(held_out=False)


@pytest.fixture(scope="module")
def held_out() -> list[Document]:
    return write(held_out=True)


def is_held_out(first: str, number: int) -> bool:
    return (zlib.crc32(first.encode()) + number) % 8 == 0


def is_held_out_sum(a: int, b: int) -> bool:
    return a != b and is_held_out(f"sum {a}", b)


def measured(document: Document) -> list[tuple[Probe, Word]]:
    words = {word.start: word for word in document.words}
    return [(probe, words[probe.start]) for probe in document.probes if probe.start in words]


def facts_of(word: Word, subject: str) -> list[str]:
    return [fact.what for fact in word.state if fact.subject == subject]


def numbers_before(document: Document, end: int) -> list[int]:
    found = re.findall(rf"\b{NUMBER}\b", document.text[:end], re.IGNORECASE)
    return [VALUE[number.lower()] for number in found]


def price_of(word: Word, food: str) -> int:
    [price] = [w for w in facts_of(word, f"the {food}") if re.match(r"costs \d", w)]
    return int(price.split()[1])


def test_equations_are_right(training: list[Document], held_out: list[Document]) -> None:
    found = [m for d in training + held_out for m in EQUATION.findall(d.text)]
    assert len(found) > 2000
    for a, sign, b, c in found:
        assert (int(a) + int(b) if sign == "+" else int(a) - int(b)) == int(c)


def test_no_held_out_sum_is_trained_on(training: list[Document]) -> None:
    for document in training:
        for a, b in PLUS.findall(document.text):
            assert not is_held_out_sum(VALUE[a.lower()], VALUE[b.lower()]), document.text
        for probe, _ in measured(document):
            if probe.task == "sums":
                a, b = numbers_before(document, probe.start)[-2:]
                assert not is_held_out_sum(a, b), document.text


@pytest.mark.parametrize("task", ["sums", "minus", "compare"])
def test_answers_follow_from_the_last_two_numbers(
    task: str, training: list[Document], held_out: list[Document]
) -> None:
    name = {"sums": "sum", "minus": "minus", "compare": "than"}[task]
    for documents, held in ((training, False), (held_out, True)):
        answers = [(d, p) for d in documents for p, _ in measured(d) if p.task == task]
        assert len(answers) > 50
        for document, probe in answers:
            said = document.text[probe.start : probe.end].lower()
            a, b = _asked(document, probe, task)
            right = {"sums": a + b, "minus": a - b, "compare": "more" if a > b else "less"}[task]
            assert (said if task == "compare" else VALUE[said]) == right, document.text
            double = a == b and task == "sums"  # always trained on
            assert held == (is_held_out(f"{name} {a}", b) and not double)


def _asked(document: Document, probe: Probe, task: str) -> tuple[int, int]:
    if task == "compare":  # "9 is more than 4", or the numbers come before
        start = max(document.text.rfind(mark, 0, probe.start) for mark in (". ", "\n", '" "')) + 1
        after = re.match(rf" than {NUMBER}", document.text[probe.end :])
        if after:
            return numbers_before(document, probe.start)[-1], VALUE[after[1]]
        repeats = re.search(rf"{NUMBER} is $", document.text[start : probe.start])
        said = numbers_before(document, probe.start)
        return (said[-3], said[-2]) if repeats else (said[-2], said[-1])
    a, b = numbers_before(document, probe.start)[-2:]
    return a, b


def test_sums_are_facts_before_the_answer(training: list[Document]) -> None:
    for document in training:
        for place, word in enumerate(document.words[:-1]):
            answer = document.words[place + 1]
            if word.text == "=" and answer.task in ("sums", "minus"):
                subject = "the sum" if answer.task == "sums" else "the difference"
                assert f"is {answer.text}" in facts_of(word, subject)
                size = "above" if int(answer.text) > 10 else "at most"
                assert f"is {size} ten" in facts_of(word, subject)


def test_prices_and_totals(training: list[Document], held_out: list[Document]) -> None:
    seen = set()
    for documents, held in ((training, False), (held_out, True)):
        for document in documents:
            for probe, word in measured(document):
                said = document.text[probe.start : probe.end]
                if probe.task == "total":
                    seen.add(probe.task)
                    costs = _costs(word)
                    assert sum(costs) == int(said), document.text
                    assert is_held_out_sum(sum(costs[:-1]), costs[-1]) == held
                if probe.task == "change":
                    seen.add(probe.task)
                    paid = numbers_before(document, probe.start)[-1]
                    assert paid - sum(_costs(word)) == int(said), document.text
                    assert is_held_out(f"minus {paid}", paid - int(said)) == held
                if probe.task == "price":
                    seen.add(probe.task)
                    assert price_of(word, _last_food(document, probe.start)) == int(said)
    assert seen == {"total", "change", "price"}


def _last_food(document: Document, end: int) -> str:
    foods = [w.text for w in document.words if w.end <= end and "food" in w.concepts]
    [name] = [n for n, plural in lexicon.FOODS.items() if foods[-1] in (n, plural)]
    return name


def _costs(word: Word) -> list[int]:
    return [int(f.what.split()[1]) for f in word.state if re.match(r"costs \d", f.what)]


def test_held_out_prices_and_purchases(training: list[Document], held_out: list[Document]) -> None:
    options = {"price": range(1, 11), "buys": list(lexicon.FOODS)}
    for document in training:
        for word in document.words:
            for fact in word.state:
                price = re.match(r"costs (\d+) coin", fact.what)
                if price:
                    number = list(options["price"]).index(int(price[1]))
                    assert not is_held_out(fact.subject.removeprefix("the "), number)
                bought = re.match(r"has bought the (\w+)", fact.what)
                if bought:
                    number = list(options["buys"]).index(bought[1])
                    assert not is_held_out(f"{fact.subject} buys", number)
    for document in held_out:
        for probe, word in measured(document):
            said = document.text[probe.start : probe.end].lower()
            if probe.task == "price":
                foods = [f.subject for f in word.state if f.what.startswith(f"costs {said} coin")]
                names = [food.removeprefix("the ") for food in foods]
                assert any(is_held_out(name, int(said) - 1) for name in names)
            if probe.task == "bought":
                owners = [f.subject for f in word.state if f.what == f"has bought the {said}"]
                number = list(options["buys"]).index(said)
                assert owners
                assert all(is_held_out(f"{owner} buys", number) for owner in owners)


def test_who_costs_less(training: list[Document], held_out: list[Document]) -> None:
    answers = 0
    for document in training + held_out:
        for probe, word in measured(document):
            if probe.task == "cheaper":
                food = document.text[probe.start : probe.end].lower()
                wanted = re.findall(r"costs (less|more)", document.text[: probe.end + 12])[-1]
                right = min(_costs(word)) if wanted == "less" else max(_costs(word))
                assert price_of(word, food) == right, document.text
                answers += 1
    assert answers > 50


def test_who_bought_what(training: list[Document], held_out: list[Document]) -> None:
    for document in training + held_out:
        for probe, word in measured(document):
            said = document.text[probe.start : probe.end]
            if probe.task == "buyer":
                assert f"has bought the {_last_food(document, probe.start)}" in facts_of(word, said)
            if probe.task == "bought":
                people = [
                    w.text for w in document.words
                    if w.end <= probe.start and {"girls", "boys"} & set(w.concepts)
                ]  # fmt: skip
                assert f"has bought the {said}" in facts_of(word, people[-1])


def test_most_sums_are_equations_in_digits(training: list[Document]) -> None:
    answers = [
        document.text[: probe.start].endswith("= ")
        for document in training
        for probe in document.probes
        if probe.task == "sums"
    ]
    assert sum(answers) > len(answers) / 2
