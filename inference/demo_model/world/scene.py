"""One scene being written: sentences, and for every word what holds in the world at it.

A sentence is one of several phrasings with slots:

    {who}       a name, or a pronoun where nobody else can be meant     {who.him} {who.his}
    {thing}     "the key"    {a thing} "a key"    {thing.name} "key"    {thing.s} "keys"
    {place}     "in the kitchen"    {place.the} "the kitchen"
    {n}         "3"    {n.word} "three"    {apples} with Count(3, apple): "3 apples"
    {is apples} {was apples} {has apples}: the verb in the right number
    {x!task}    the answer to a question of the kind `task`, which the model is measured on
    <a|b>       one of these, by chance

A phrasing that starts with `~` is held out: no training text uses it.
"""

import random
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from demo_model.world.document import Document, Fact, Probe, Word
from demo_model.world.lexicon import Country, Entity, Place

T = TypeVar("T")
HELD_OUT_ONE_IN = 8
NUMBER_WORDS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
]
_OBJECT = {"he": "him", "she": "her", "it": "it", "they": "them"}
_POSSESSIVE = {"he": "his", "she": "her", "it": "its", "they": "their"}
_VERBS = {
    "is": ("is", "are"),
    "was": ("was", "were"),
    "has": ("has", "have"),
    "does": ("does", "do"),
}
_SLOT = re.compile(r"\{(?:(a|is|was|has|does) )?([a-z]\w*)(?:\.([a-z]+))?(?:!([a-z]+))?\}")
_CHANCE = re.compile(r"<([^<>]*\|[^<>]*)>")
_WORD = re.compile(r"\w+|[^\w\s]|\n+")
_STARTS = re.compile(r'(^|\n|[.?!]"? |(^|\s)")$')
_PRONOUN_SHARE = 0.6


@dataclass(frozen=True)
class Count:
    """So many of something: "3 apples"."""

    n: int
    of: Entity

    @property
    def noun(self) -> str:
        """The noun in the right number."""
        return self.of.name if self.n == 1 else self.of.plural


Slot = Entity | Place | Country | Count | int | str
Change = tuple[Entity, str, str]  # who or what, the relation, what holds of it from now on


class _Part(NamedTuple):
    text: str
    concepts: tuple[str, ...] = ()
    entity: Entity | None = None
    task: str = ""
    rivals: tuple[str, ...] = ()


class Scene:
    """Writes one scene into a document. Its `random` is the only source of chance."""

    def __init__(
        self, rng: random.Random, document: Document, topic: str, held_out: bool = False
    ) -> None:
        self.random = rng
        self.topic = topic
        self.held_out = held_out
        self._document = document
        self._cast: dict[str, Entity] = {}
        self._state: tuple[Fact, ...] = ()
        self._mentioned: list[Entity] = []  # people, the latest last
        self._recent: list[set[str]] = [set(), set()]  # names in this sentence and in the last

    # what holds -------------------------------------------------------------------------

    def set(self, who: Entity, relation: str, what: str) -> None:
        """From now on `who` `what` ("the dog", "is in the kitchen"); "" ends the relation."""
        self._cast.setdefault(who.the, who)
        if what:
            who.facts[relation] = what
        else:
            who.facts.pop(relation, None)
        if not self._document.annotated:
            return
        self._state = tuple(
            Fact(entity.the, held)
            for entity in self._cast.values()
            for held in entity.facts.values()
        )

    # chance -----------------------------------------------------------------------------

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return self.random.choice(options)

    def some(self, options: Sequence[T], n: int) -> list[T]:
        """Different ones of the options."""
        return self.random.sample(options, n)

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self.random.random() < share

    def fitting(self, first: str, options: Sequence[T]) -> list[T]:
        """The options that may stand together with `first` here.

        One in eight combinations is held out (one of each `first` where there are fewer options):
        only text for measuring has it as an answer, and it has no other. `options` are always the
        same list in the same order.
        """
        shift = zlib.crc32(first.encode())
        one_in = min(HELD_OUT_ONE_IN, len(options))
        return [
            option
            for number, option in enumerate(options)
            if ((shift + number) % one_in == 0) == self.held_out
        ]

    # sentences --------------------------------------------------------------------------

    def say(
        self,
        *phrasings: str,
        after: Iterable[Change] = (),
        join: str = " ",
        task: str = "",
        **slots: Slot,
    ) -> None:
        """Append one of the phrasings as a sentence; `after` holds from its last slot on.

        `join` stands between it and the text before. What it asks counts for `task`, if one is
        given, in place of the one in the phrasing.
        """
        self._write(phrasings, slots, after, join, task)

    def line(self, *phrasings: str, after: Iterable[Change] = (), **slots: Slot) -> None:
        """The same on a line of its own."""
        self._write(phrasings, slots, after, "\n")

    def code(self, *phrasings: str, after: Iterable[Change] = (), **slots: Slot) -> None:
        """The same on a line of its own, as it stands: code does not begin with a capital."""
        self._write(phrasings, slots, after, "\n", verbatim=True)

    def _write(
        self,
        phrasings: Sequence[str],
        slots: dict[str, Slot],
        after: Iterable[Change],
        join: str,
        task: str = "",
        verbatim: bool = False,
    ) -> None:
        phrasing = self._choose(phrasings)
        text = _CHANCE.sub(lambda match: self.choice(match[1].split("|")), phrasing)
        document = self._document
        if document.text and not document.text.endswith("\n"):
            document.text += join
        self._recent = [set(), self._recent[0]]
        parts = list(self._parts(text, slots, task))
        last = max((n for n, part in enumerate(parts) if part.concepts or part.entity), default=0)
        sentence = _Sentence(self, document, phrasing.removeprefix("~"), verbatim)
        for number, part in enumerate(parts):
            if number == last:
                for change in after:
                    self.set(*change)
            sentence.append(part)

    @property
    def state(self) -> tuple[Fact, ...]:
        """Everything that holds at the moment."""
        return self._state

    def paragraph(self) -> None:
        """What follows begins a new paragraph."""
        if self._document.text and not self._document.text.endswith("\n"):
            self._document.text += "\n"

    def _choose(self, phrasings: Sequence[str]) -> str:
        held = [phrasing for phrasing in phrasings if phrasing.startswith("~")]
        usual = [phrasing for phrasing in phrasings if not phrasing.startswith("~")]
        return self.choice(held if self.held_out and held else usual)

    # slots ------------------------------------------------------------------------------

    def _parts(self, text: str, slots: dict[str, Slot], instead: str) -> Iterator[_Part]:
        text = text.removeprefix("~")
        end = 0
        named: set[str] = set()
        for match in _SLOT.finditer(text):
            if match.start() > end:
                yield _Part(text[end : match.start()])
            word, name, form, task = match.groups()
            task = instead if task and instead else task
            parts = self._slot(slots[name], word or "", form or "", task or "")
            # The number of a verb can be known only where its noun stands before it.
            early = word in _VERBS and name not in named
            yield from (part._replace(task="", rivals=()) for part in parts) if early else parts
            named.add(name)
            end = match.end()
        if end < len(text):
            yield _Part(text[end:])

    def _slot(self, value: Slot, word: str, form: str, task: str) -> Iterator[_Part]:
        if word in _VERBS:
            singular, plural = _VERBS[word]
            many = (
                (isinstance(value, Count) and value.n != 1)
                or (isinstance(value, Entity) and value.pronoun == "they")
                or form == "s"
            )
            right, wrong = (plural, singular) if many else (singular, plural)
            yield _Part(right, (), None, "agreement", (wrong,))
        elif isinstance(value, Entity):
            yield from self._entity(value, word, form, task)
        elif isinstance(value, Count):
            if form != "noun":
                yield _Part(_number(value.n, form), ("numbers",), None, task)
                yield _Part(" ")
            rival = value.of.plural if value.n == 1 else value.of.name
            yield _Part(value.noun, (value.of.concept,), value.of, "agreement", (rival,))
        elif isinstance(value, Place):
            if form == "name":
                yield _Part(value.name, (value.concept,), None, task)
                return
            yield _Part("the " if form == "the" else f"{value.preposition} the ")
            yield _Part(value.name, (value.concept,), None, task)
        elif isinstance(value, Country):
            kind = {"": "countries", "capital": "capitals", "language": "languages"}
            yield _Part(getattr(value, form or "name"), (kind.get(form, "peoples"),), None, task)
        elif isinstance(value, int):
            yield _Part(_number(value, form), ("numbers",), None, task)
        else:
            yield _Part(value, (form,) if form else ("words",), None, task)

    def _entity(self, who: Entity, word: str, form: str, task: str) -> Iterator[_Part]:
        pronoun = form in ("he", "him", "his") or (
            not form and not word and self._pronoun_fits(who)
        )
        self._cast.setdefault(who.the, who)
        if who.pronoun in ("he", "she"):
            self._mentioned = [other for other in self._mentioned if other is not who] + [who]
            self._recent[0].add(who.name)
        if pronoun:
            table = {"him": _OBJECT, "his": _POSSESSIVE}.get(form)
            text = table[who.pronoun] if table else who.pronoun
            forms = table.values() if table else _OBJECT
            rivals = tuple(sorted(set(forms) - {text}))
            yield _Part(text, ("pronouns",), who, task or "agreement", rivals)
        elif word == "a":
            yield _Part(f"{article(who.name)} ")
            yield _Part(who.name, (who.concept,), who, task)
        elif form == "s":
            yield _Part(who.plural, (who.concept,), who, task)
        else:
            if form != "name" and not who.proper:
                yield _Part("the ")
            yield _Part(who.name, (who.concept,), who, task)

    def _pronoun_fits(self, who: Entity) -> bool:
        """Whether a pronoun is plain: `who` was named just now, and nobody else it could mean."""
        if who.pronoun not in ("he", "she"):
            return False
        recent = self._recent[0] | self._recent[1]
        others = {
            other.name
            for other in self._mentioned
            if other is not who and other.pronoun == who.pronoun and other.name in recent
        }
        return who.name in recent and not others and self.chance(_PRONOUN_SHARE)


class _Sentence:
    """Writes one sentence's parts, and accounts for their words."""

    def __init__(self, scene: Scene, document: Document, phrasing: str, verbatim: bool) -> None:
        self._scene, self._document = scene, document
        self._phrasing, self._verbatim = phrasing, verbatim
        self._about: tuple[Fact, ...] = ()
        self._place = 0

    def append(self, part: _Part) -> None:
        """One more part."""
        document = self._document
        base = len(document.text)
        starts = not self._verbatim and _STARTS.search(document.text[-3:]) is not None
        written = part.text[:1].upper() + part.text[1:] if starts else part.text
        document.text += written
        if not document.annotated:
            return
        mention = _facts(part.entity)
        self._about = self._about or mention
        for match in _WORD.finditer(written):
            first = starts and match.start() == 0
            word = Word(
                start=base + match.start(),
                end=base + match.end(),
                text=_normal(match[0], part) if first else match[0],
                topic=self._scene.topic,
                phrasing=self._phrasing,
                place=self._place,
                concepts=part.concepts,
                mention=mention,
                about=self._about,
                state=self._scene.state,
                task=part.task,
            )
            document.words.append(word)
            self._place += 1
        if part.task:
            document.probes.append(Probe(part.task, base, base + len(written), part.rivals))


def article(noun: str) -> str:
    """The indefinite article, by the noun's first letters ("an umbrella")."""
    return "an" if noun[0] in "aeioAEIO" or noun.startswith("um") else "a"


def _facts(entity: Entity | None) -> tuple[Fact, ...]:
    if entity is None:
        return ()
    return tuple(Fact(entity.the, what) for what in ("", *entity.facts.values()))


def _number(n: int, form: str) -> str:
    return NUMBER_WORDS[n] if form == "word" else str(n)


def _normal(text: str, part: _Part) -> str:
    """A sentence's first word in small letters, unless it is a name."""
    is_name = part.concepts and part.text[:1].isupper()
    return text if is_name else text[0].lower() + text[1:]


Writes = Callable[[Scene], None]
