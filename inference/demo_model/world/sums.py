"""Numbers up to twenty: equations, sums in words and stories, counting and comparing.

Which numbers may be added is decided here for the whole world: an ordered pair is either trained on
or held out, whatever the wording.
"""

from demo_model.world import lexicon
from demo_model.world.arithmetic import (
    LIMIT,
    NUMBERS,
    Board,
    chain,
    others,
)
from demo_model.world.lexicon import Entity
from demo_model.world.scene import Change, Count, Scene, Writes
from demo_model.world.telling import people

_COUNTED = ["ball", "book", "cup", "coin", "key", "kite", "bell", "doll", "letter", "spoon"]


def _equation(scene: Scene, board: Board, join: str, minus: bool = False) -> None:
    """Both sides are written apart, so that what the sum is holds before the answer."""
    if minus:
        a, b = board.pair(minus=True)
        scene.say("{a} - {b}", a=a, b=b, after=board.take(a, b), join=join)
        scene.say("= {c!minus}", c=a - b)
    else:
        a, b = board.pair()
        scene.say("{a} + {b}", a=a, b=b, after=board.add(a, b), join=join)
        scene.say("= {c!sums}", c=a + b)


def equations(scene: Scene) -> None:
    """Equations in digits, below or after one another."""
    if scene.chance(0.4):
        scene.say(
            "Here are <some|more|a few> sums.",
            "{who} <does|writes down|reads out|likes> <some|a few> sums.",
            "<Look|Read|Listen>:",
            "The teacher writes <some|a few> sums on the board.",
            "In the book {who} finds these sums:",
            who=people(scene, 1)[0],
        )  # fmt: skip
        if scene.chance(0.5):
            scene.paragraph()
    board = Board(scene)
    join = scene.choice(["\n", "\n", ". ", ", "])
    minus = scene.choice([0.0, 0.0, 0.3, 1.0])
    for number in range(scene.random.randint(3, 6)):
        _equation(scene, board, join if number else " ", scene.chance(minus))
    if join != "\n":
        scene.say(".", join="")


def _in_words(scene: Scene, board: Board) -> None:
    a, b = board.pair()
    scene.say(
        "{a.word} <and|plus> {b.word}", "{a.word} and {b.word} more",
        "~{a.word} plus {b.word} more",
        a=a, b=b, after=board.add(a, b),
    )  # fmt: skip
    scene.say(
        "<is|makes|are> {c.word!sums}.",
        "<is|makes> {c.word!sums} in all.",
        "<gives|is> {c.word!sums}.",
        "~gives {c.word!sums} in all.",
        c=a + b,
    )


def words(scene: Scene) -> None:
    """Sums in words, and some in digits."""
    scene.say(
        "{who} <says|sings> <the|some> numbers:",
        "{who} knows <many|some> sums by heart.",
        "This is how {who} <learns|does> sums:",
        "Numbers are <fun|easy|nice>.",
        "<Every|One> day {who} <does|learns> <some|a few> sums.",
        who=people(scene, 1)[0],
    )
    board = Board(scene)
    for _ in range(scene.choice([3, 4, 4])):
        if scene.chance(0.3):
            _equation(scene, board, " ")
            scene.say(".", join="")
        else:
            _in_words(scene, board)


def _answer(scene: Scene, c: int, task: str, child: Entity | None) -> None:
    """The answer to a question that was just asked, by a child where there is one."""
    if child is None:
        answers = (
            "It is {c!T}.", "That is {c!T}.", "The answer is {c!T}.", "It makes {c!T}.", "{c!T}.",
            "~The answer, that is {c!T}.", "~That makes {c!T}.",
        )  # fmt: skip
        scene.say(*(text.replace("!T", f"!{task}") for text in answers), c=c)
        return
    answers = (
        '"{c!T}," <says|answers|calls> {who}.', '"It is {c!T}," {who} <says|answers>.',
        '{who} <thinks|counts> and says, "{c!T}."', '{who} knows it: {c!T}.',
        '"That is {c!T}," <says|answers> {who}.',
        '~{who} <thinks|counts> and answers, "That makes {c!T}."',
        '~"The answer is {c!T}," says {who}.',
    )  # fmt: skip
    scene.say(*(text.replace("!T", f"!{task}") for text in answers), c=c, who=child)


def questions(scene: Scene) -> None:
    """Questions and answers without a story."""
    board = Board(scene)
    for _ in range(scene.choice([2, 3, 4])):
        minus = scene.chance(0.25)
        a, b = board.pair(minus)
        asked = (
            "What is {a} S {b}?", "How much is {a} S {b}?", "And what is {a} S {b}?",
            "What is the answer to {a} S {b}?", "~And how much is it, {a} S {b}?",
            "~What does {a} S {b} make?",
        )  # fmt: skip
        scene.say(
            *(text.replace("S", "-" if minus else "+") for text in asked),
            a=a, b=b, after=board.take(a, b) if minus else board.add(a, b),
        )  # fmt: skip
        _answer(scene, a - b if minus else a + b, "minus" if minus else "sums", None)


def lesson(scene: Scene) -> None:
    """A teacher asks the children in class."""
    children = people(scene, 2)
    scene.say(
        "The children sit in school.", "It is morning, and the class <does sums|learns numbers>.",
        "{who} and {other} are at school.", "The teacher is <kind|happy|tired|clever> today.",
        "{who} <likes|loves> <school|sums|numbers>.",
        who=children[0], other=children[1],
    )  # fmt: skip
    board = Board(scene)
    for _ in range(scene.choice([2, 2, 3])):
        a, b = board.pair()
        scene.say(
            '"What is {a} + {b}?" asks the teacher.', 'The teacher asks, "How much is {a} + {b}?"',
            '"Now, {a} + {b}?" <asks|says> the teacher.', 'The teacher <writes|says>: {a} + {b}.',
            '"How much is {a.word} and {b.word}?" the teacher asks.',
            '~"Now, what is {a} and {b}?" says the teacher.',
            '~The teacher says, "What is {a} + {b}?"',
            a=a, b=b, after=board.add(a, b),
        )  # fmt: skip
        _answer(scene, a + b, "sums", scene.choice(children))
        if scene.chance(0.3):
            scene.say(
                '"<Good|Right|Very good>!"', "The teacher <is happy|smiles>.", "That is right."
            )


def counting(scene: Scene) -> None:
    """Counting up or down, by ones or twos."""
    step = scene.choice([1, 1, 1, -1, -1, 2, 2, -2])
    n = scene.random.randint(4, 8)
    reach = abs(step) * (n - 1)
    low = scene.random.randint(0, LIMIT - reach)
    start = low if step > 0 else low + reach
    way = ("< up|>" if step > 0 else " down") + (" by twos" if abs(step) == 2 else "")
    who = people(scene, 1)[0]
    counter = Entity("counting", "ways")
    direction = f"goes {'up' if step > 0 else 'down'} by {'twos' if abs(step) == 2 else 'ones'}"
    scene.say(
        f"{{who}} counts{way}:", f"{{who}} <can|likes to> count{way}:",
        f"Listen, {{who}} counts{way}:",
        f'"Count{way} from {{n}}," says the teacher. {{who}} counts:',
        who=who, n=start, after=[(counter, "way", direction)],
    )  # fmt: skip
    form = scene.choice(["{n}", "{n}", "{n.word}"])
    for place in range(n):
        number = start + place * step
        scene.say(form, n=number, after=[(counter, "last", f"is at {number}")],
                  join=", " if place else " ")  # fmt: skip
    scene.say(".", join="")
    if scene.chance(0.4):
        scene.say("{who} <is proud|smiles|can do it well>.", '"<Good|Very good>!"', who=who)


def comparing(scene: Scene) -> None:
    """Which number is more."""
    for _ in range(scene.random.randint(3, 5)):
        a = scene.choice(NUMBERS)
        b = scene.choice(others(scene, a))
        scene.say(
            "{a} is {word!compare} than {b}.",
            "Is {a} more or less than {b}? It is {word!compare}.",
            "{a.word} is {word!compare} than {b.word}.", "So {a} is {word!compare} than {b}.",
            '"Is {a} less or more than {b}?" "{word!compare}."',
            "~What is {a}, more or less than {b}? It is {word!compare}.",
            "~Is {a} more than {b}, or less? {a} is {word!compare}.",
            "~{a}, is it less or more than {b}? {a} is {word!compare}.",
            a=a, b=b, word="more" if a > b else "less",
        )  # fmt: skip


def goods(scene: Scene) -> Entity:
    """Something that children collect and count."""
    if scene.chance(0.4):
        return lexicon.food(scene.choice(list(lexicon.FOODS)))
    if scene.chance(0.3):
        return Entity("shell", "things", plural="shells")
    return lexicon.thing(scene.choice(_COUNTED))


def have(scene: Scene, who: Entity, had: Count) -> None:
    """Somebody has so many of something."""
    scene.say(
        "{who} has {had}.", "There {is had} {had} in {who.the}'s <bag|box|basket>.",
        "{who} <finds|takes|gets> {had}.", "In the morning {who} has {had}.",
        "{had} {is had} all that {who} has.",
        who=who, had=had, after=_holds(who, had),
    )  # fmt: skip
    if scene.chance(0.2):
        scene.say("{who} is <happy|proud>.", "It is a fine day.", "Nobody looks up.", who=who)


def _holds(who: Entity, now: Count) -> list[Change]:
    return [
        (who, "count", f"has {now.n} things"),
        (who, "goods", f"has {now.of.plural}" if now.n else ""),
        (who, "much", f"has {'more than' if now.n > 10 else 'at most'} ten things"),
    ]


def _now(scene: Scene, who: Entity, now: Count, task: str) -> None:
    """How many somebody has now."""
    phrasings = (
        "Now {who} has {now!T}.", "So {who} has {now!T}.", "{who} now has {now!T}.",
        "How many {now.of} does {who.the} have now? {now!T}.",
        "How many {now.of} are there now? {who} has {now!T}.",
        "{who} puts them all in a row. Now {who.he} has {now!T}.",
        "{who} looks at them. So {who.he} now has {now!T}.",
        '{who} counts <them|all of them> and says, "I have {now!T}."',
        "~How many {now.of} has {who.the} now? {who} has {now!T}.",
        "~{who} counts them all. So now {who.he} has {now!T}.",
    )  # fmt: skip
    texts = [
        text.replace("{now.of}", now.of.plural).replace("!T", f"!{task}") for text in phrasings
    ]
    scene.say(*texts, who=who, now=now)


def giving(scene: Scene) -> None:
    """Somebody gets more of something, or gives some away, and counts again."""
    who, other = people(scene, 2)
    of = goods(scene)
    board = Board(scene)
    less = scene.chance(0.35)
    a, b = board.pair(less, 1)
    c = a - b if less else a + b
    have(scene, who, Count(a, of))
    now = _holds(who, Count(c, of))
    if less:
        scene.say(
            "{who} gives {b} to {other}.", "Then {who} <gives|brings> {other} {b} of them.",
            "{other} <takes|gets> {b} of them.", "{who} loses {b} of them.",
            "But {b} <get lost|are gone>." if b > 1 else "But {b} <gets lost|is gone>.",
            who=who, other=other, b=b, after=board.take(a, b) + now,
        )  # fmt: skip
    else:
        scene.say(
            "{other} gives {who.him} {b} more.", "Then {who} <finds|gets|takes> {b} more.",
            "{other} <comes|runs to {who.him}> and brings {b} more.",
            "{who} gets {b} more from {other}.",
            '"Here, {b} more for you," says {other}.',
            who=who, other=other, b=b, after=board.add(a, b) + now,
        )  # fmt: skip
    _now(scene, who, Count(c, of), "minus" if less else "sums")
    if scene.chance(0.5):
        sign = "-" if less else "+"
        scene.say(f"{{a}} {sign} {{b}}", a=a, b=b)
        scene.say("= {c}.", c=c)


def doubles(scene: Scene) -> None:
    """Twice the same number. All doubles are trained on, so none is measured."""
    board = Board(scene)
    for a in scene.some(range(11), scene.random.randint(3, 5)):
        known = board.add(a, a)
        if scene.chance(0.5):
            scene.say("{a} + {a}", a=a, after=known)
            scene.say("= {c}.", c=2 * a)
        elif scene.chance(0.5):
            scene.say("{a} and {a}", "{a} and {a} more", "Two times {a}", a=a, after=known)
            scene.say("<is|makes> {c}.", c=2 * a)
        else:
            scene.say("{a.word} and {a.word}", "Two times {a.word}", a=a, after=known)
            scene.say("<is|makes> {c.word}.", c=2 * a)


def running(scene: Scene) -> None:
    """One number after another is added."""
    board = Board(scene)
    for _ in range(scene.choice([1, 2])):
        numbers = chain(scene, scene.random.randint(3, 5))
        total = numbers[0]
        scene.say("{a},", "{who} counts <the coins|the shells|them>: {a},", "We begin with {a},",
                  a=total, who=people(scene, 1)[0])  # fmt: skip
        for place, b in enumerate(numbers[1:]):
            scene.say("and {b}", "and {b} more", b=b, after=board.add(total, b),
                      join=", " if place else " ")  # fmt: skip
            total += b
            scene.say("is {c!sums}", "makes {c!sums}", c=total)
        scene.say(".", join="")


SCENES: tuple[Writes, ...] = (
    *(equations,) * 10, words, words, questions, questions, lesson, lesson, counting, comparing,
    giving, giving, giving, doubles, running, running,
)  # fmt: skip
