"""Tiny programs without changing variables: texts, lists, loops, functions, brackets."""

from collections.abc import Callable

from demo_model.world import lexicon
from demo_model.world.lexicon import Entity
from demo_model.world.scene import NUMBER_WORDS, Change, Scene, Slot

VALUES = list(range(21))
_INTRODUCTIONS = (
    "<Here is|This is|Look at> <a|another> <small|short> program.",
    "What does this <program|little program> print?",
    "{who.name} writes a <small|short> program.",
    "<Read|Look at> this program <slowly|line by line>.",
    "The <teacher|computer> shows a <small|new> program.",
    "Can you <follow|read> this program?",
)
OUTPUTS = ("Output:", "It prints:", "The program prints:", "This is what it prints:")


def introduce(scene: Scene, *phrasings: str, share: float = 0.6) -> None:
    """Often a sentence before the program; `phrasings` are about this very one."""
    if scene.chance(share):
        who = lexicon.person(scene.choice(lexicon.GIRLS + lexicon.BOYS))
        scene.line(*phrasings, *_INTRODUCTIONS, who=who)


def variable(name: str) -> Entity:
    """A variable, which has no value yet."""
    return Entity(name, "variables", proper=True)


def greetings(scene: Scene) -> None:
    """Texts between quotation marks, put together."""
    introduce(
        scene,
        "This program <says hello|greets somebody>.",
        "Text <is written|stands> between quotation marks.",
    )
    name = variable(scene.choice(["name", "friend", "child", "guest"]))
    who, other = (lexicon.person(n) for n in scene.some(lexicon.GIRLS + lexicon.BOYS, 2))
    holder = who
    scene.code('{x} = "{who.name}"', x=name, who=who, after=[(name, "value", f"is {who.name}")])
    if scene.chance(0.5):
        scene.code("print({x})  # {who.name}", x=name, who=who)
    if scene.chance(0.5):
        holder = other
        scene.code(
            '{x} = "{who.name}"',
            x=name,
            who=other,
            after=[(name, "value", f"is {other.name}")],
        )
    for greeting in scene.some(["Hello", "Good morning", "Good night", "Goodbye", "Welcome"], 2):
        scene.code(f'print("{greeting}, " + {{x}})  # {greeting}, {{who.name}}', x=name, who=holder)
    if scene.chance(0.5):
        scene.code("print(len({x}))  # {n}", x=name, n=len(holder.name))


def lists(scene: Scene) -> None:
    """A list: how long it is, its first and its last."""
    introduce(
        scene,
        "A list <keeps|holds> <its numbers|things> in order.",
        "The first place in a list is 0.",
    )
    things = variable(scene.choice(["things", "numbers", "prices", "steps"]))
    inside = [scene.choice(VALUES) for _ in range(scene.choice([2, 3, 3, 4]))]
    letters = "abcd"[: len(inside)]
    items = ", ".join(f"{{{letter}}}" for letter in letters)
    slots: dict[str, Slot] = dict(zip(letters, inside, strict=True))
    scene.code(f"{{x}} = [{items}]", x=things, **slots, after=has_items(things, inside))
    if scene.chance(0.4):
        inside.append(scene.choice(VALUES))
        after = has_items(things, inside)
        scene.code("{x}.append({n})", x=things, n=inside[-1], after=after)
    asked = [
        ("len({x})", len(inside)), ("{x}[0]", inside[0]), ("{x}[1]", inside[1]),
        ("{x}[-1]", inside[-1]), ("max({x})", max(inside)), ("min({x})", min(inside)),
    ]  # fmt: skip
    for call, n in scene.some(asked, scene.choice([2, 3])):
        scene.code(f"print({call})  # {{n}}", x=things, n=n)


def has_items(things: Entity, inside: list[int]) -> list[Change]:
    """What is true of a list with these numbers."""
    return [(things, "length", f"has {NUMBER_WORDS[len(inside)]} items")]


def loops(scene: Scene) -> None:
    """Lines that are repeated."""
    n = scene.choice([2, 3, 4, 5])
    introduce(
        scene,
        "This program <counts|repeats a line>.",
        "A <loop|program> can do the same again and again.",
    )
    who = lexicon.person(scene.choice(lexicon.GIRLS + lexicon.BOYS))
    d = scene.choice([1, 2, 3, 10])
    kind, printed = scene.choice([
        ("i", list(range(n))), ("i + {d}", [i + d for i in range(n)]),
        ("2 * i", [2 * i for i in range(n)]), ("{n} - i", [n - i for i in range(n)]),
        ('"{who.name}"', []),
    ])  # fmt: skip
    scene.code("for i in range({n}):\n    print(" + kind + ")", n=n, d=d, who=who)
    ends = scene.chance(0.5)
    if ends:
        scene.code('print("end")')
    scene.line(*OUTPUTS)
    for number in range(n):
        if printed:
            scene.code("{n}", n=printed[number])
        else:
            scene.line("{who.name}", who=who)
    if ends:
        scene.code("end")


_FUNCTIONS: tuple[tuple[str, str, Callable[[int], int]], ...] = (
    ("double(x)", "2 * x", lambda n: 2 * n), ("double(x)", "x + x", lambda n: 2 * n),
    ("next(x)", "x + 1", lambda n: n + 1), ("add_two(x)", "x + 2", lambda n: n + 2),
    ("add_five(x)", "x + 5", lambda n: n + 5), ("square(x)", "x * x", lambda n: n * n),
)  # fmt: skip


def functions(scene: Scene) -> None:
    """A function and what it makes of some numbers."""
    introduce(
        scene,
        "A function <has a name|can be called again and again>.",
        "This function makes one number of another.",
    )
    head, result, run = scene.choice(_FUNCTIONS)
    called = head.split("(")[0]
    scene.code(f"def {head}:\n    return {result}")
    inputs = [n for n in range(11) if run(n) <= VALUES[-1]]
    for n in scene.some(inputs, min(len(inputs), scene.choice([2, 3]))):
        scene.code(f"print({called}({{n}}))  # {{m}}", n=n, m=run(n))
    twice = [n for n in inputs if run(run(n)) <= VALUES[-1]]
    if scene.chance(0.4):
        n = scene.choice(twice)
        scene.code(f"print({called}({called}({{n}})))  # {{m}}", n=n, m=run(run(n)))


def brackets(scene: Scene) -> None:
    """Calls inside of calls."""
    introduce(scene, "Every bracket that opens must close.", "The inner brackets come first.")
    for _ in range(scene.choice([2, 3, 4])):
        a, b, c = (scene.choice(range(1, 7)) for _ in range(3))
        text, n = scene.choice([
            ("max({a}, len([{b}, {c}]))", max(a, 2)),
            ("min({a}, max({b}, {c}))", min(a, max(b, c))),
            ("max(min({a}, {b}), {c})", max(min(a, b), c)), ("({a} + {b}) + {c}", a + b + c),
            ("2 * ({a} + {b})", 2 * (a + b) if a + b <= 10 else -1),
            ("sum([{a}, {b}, {c}])", a + b + c),
            ("len([[{a}], [{b}, {c}]])", 2), ("[{a}, {b}, {c}][0]", a),
            ("max([{a}, {b}])", max(a, b)),
        ])  # fmt: skip
        if n >= 0:
            scene.code(f"print({text})  # {{n}}", a=a, b=b, c=c, n=n)
    scene.code("print(len([{a}, {b}]))  # 2", a=scene.choice(VALUES), b=scene.choice(VALUES))
