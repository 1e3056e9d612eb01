"""Tiny programs and what they print: variables that change, a total, a choice."""

from demo_model.world.lexicon import Entity
from demo_model.world.scene import Change, Scene, Writes
from demo_model.world.snippets import (
    OUTPUTS,
    VALUES,
    brackets,
    functions,
    greetings,
    introduce,
    lists,
    loops,
    variable,
)

VARIABLES = ["x", "y", "z", "a", "b", "c", "n", "total", "count", "size", "score", "age"]
_NEAREST = 5


def holds(x: Entity, n: int) -> list[Change]:
    """What is true of a variable with this value."""
    return [(x, "value", f"is {n}"), (x, "size", "is above ten" if n > 10 else "is at most ten")]


def values(scene: Scene, x: Entity, last: bool = True) -> list[int]:
    """What a variable may be here. In held-out text only its last value need be held out."""
    return scene.fitting(x.name, VALUES) if last or not scene.held_out else VALUES


def assign(scene: Scene, x: Entity, now: dict[Entity, int], last: bool) -> None:
    """Give a variable a value, or another one than it has."""
    options = [n for n in values(scene, x, last) if n != now.get(x)]
    if not now or scene.chance(0.6):
        n = now[x] = scene.choice(options)
        scene.code("{x} = {n}", x=x, n=n, after=holds(x, n))
        return
    y = scene.choice(list(now))
    same = now[y] in options and scene.chance(0.5)
    nearest = sorted(options, key=lambda option: abs(option - now[y]))[:_NEAREST]
    n = now[y] if same else scene.choice(nearest)
    step = n - now[y]
    if step == 0:
        phrasings: tuple[str, ...] = ("{x} = {y}",)
    elif n == 2 * now[y] and scene.chance(0.5):
        phrasings = ("{x} = 2 * {y}", "{x} = {y} * 2", "{x} = {y} + {y}")
    elif step > 0:
        phrasings = ("{x} = {y} + {d}", "{x} = {y} + {d}", "{x} = {d} + {y}")
    else:
        phrasings = ("{x} = {y} - {d}",)
    now[x] = n
    scene.code(*phrasings, x=x, y=y, d=abs(step), after=holds(x, n))


def show(scene: Scene, x: Entity, n: int) -> None:
    """Print a variable, and what comes out as a comment."""
    scene.code(
        "print({x})  # {n!variable}",
        "print({x})  # {n!variable}",
        "print({x})  # prints {n!variable}",
        "print({x})  # this is {n!variable}",
        "print({x})  # now {x} is {n!variable}",
        "print({x})  # so {x} is {n!variable}",
        "~print({x})  # this prints {n!variable}",
        "~print({x})  # here {x} is {n!variable}",
        x=x, n=n,
    )  # fmt: skip


def assignments(scene: Scene) -> None:
    """Two or three variables, one of them changed; what are they at the end?"""
    introduce(
        scene,
        "<Some|The> numbers get names, and one <changes|becomes another>.",
        "A variable <keeps|holds> a number until it gets another.",
        "First come the <values|numbers>, then they are printed.",
    )
    variables = [variable(name) for name in scene.some(VARIABLES, scene.choice([2, 2, 3]))]
    order = variables + [scene.choice(variables) for _ in range(scene.choice([0, 1, 1, 1, 2]))]
    now: dict[Entity, int] = {}
    for number, x in enumerate(order):
        assign(scene, x, now, last=x not in order[number + 1 :])
    asked = scene.some(variables, len(variables))
    if not scene.held_out and scene.chance(0.3):
        for x in asked:
            scene.code("print({x})", x=x)
        scene.line(*OUTPUTS)
        for x in asked:
            scene.code("{n!variable}", n=now[x])
    else:
        for x in asked:
            show(scene, x, now[x])


def tell_first(scene: Scene, x: Entity, n: int) -> None:
    """A variable gets its value, in words."""
    scene.line(
        "Let {x} be {n}.", "<First|At first>, {x} is {n}.", "We begin with {x} and give it {n}.",
        "The variable {x} is {n}.", "We say that {x} is {n}.", x=x, n=n, after=holds(x, n),
    )  # fmt: skip


def tell_second(scene: Scene, x: Entity, n: int) -> None:
    """Another variable gets its value."""
    scene.say(
        "The variable {y} is {n}.", "Also, {y} is {n}.", "We give {y} the value {n}.",
        "And let {y} be {n}.", y=x, n=n, after=holds(x, n),
    )  # fmt: skip


def tell_change(scene: Scene, x: Entity, n: int) -> None:
    """A variable gets another value."""
    scene.say(
        "Then {x} becomes {n}.", "Now we give {x} the value {n}.", "After that, {x} gets {n}.",
        "But {x} changes and becomes {n}.", "A line later, {x} becomes {n}.",
        x=x, n=n, after=holds(x, n),
    )  # fmt: skip


def ask_value(scene: Scene, x: Entity, n: int) -> None:
    """What is it now?"""
    scene.say(
        "What is {x} now? It is {n!variable}.",
        "So {x} is now {n!variable}.",
        "At the end, {x} is {n!variable}.",
        "What does print({x}) print? It prints {n!variable}.",
        "If we print {x}, we see {n!variable}.",
        "~What is {x} at the end? Now it is {n!variable}.",
        "~If we print {x} now, we see {n!variable}.",
        x=x, n=n,
    )  # fmt: skip


def retell(scene: Scene) -> None:
    """The same in words: a value, another one, and what it is now."""
    x, y = (variable(name) for name in scene.some(VARIABLES, 2))
    first = scene.choice(values(scene, x, last=False))
    n, other = (scene.choice(values(scene, who)) for who in (x, y))
    tell_first(scene, x, first)
    tell_second(scene, y, other)
    tell_change(scene, x, n)
    for who, value in scene.some([(x, n), (y, other)], scene.choice([1, 2])):
        ask_value(scene, who, value)


def adding_up(scene: Scene) -> None:
    """A total that grows in a loop."""
    introduce(
        scene,
        "This program adds <numbers|them all> up.",
        "The total grows <line by line|in every step>.",
    )
    total = variable(scene.choice(["total", "count", "score"]))
    options = values(scene, total)
    starts = [
        (start, n, step)
        for start in options for n in (2, 3, 4) for step in (1, 2, 3, 5)
        if start + n * step in options
    ]  # fmt: skip
    start, n, step = scene.choice(starts or [(options[0], 2, 0)])
    scene.code("{x} = {n}", x=total, n=start, after=holds(total, start))
    scene.code(
        "for i in range({n}):\n    {x} = {x} + {d}",
        "for i in range({n}):\n    {x} += {d}",
        x=total, n=n, d=step, after=holds(total, start + n * step),
    )  # fmt: skip
    show(scene, total, start + n * step)


def choices(scene: Scene) -> None:
    """One of two lines is printed."""
    introduce(
        scene,
        "Only one of two lines is printed.",
        "This program looks at a number and <chooses|decides>.",
    )
    x = variable(scene.choice(VARIABLES))
    n, limit = scene.choice(values(scene, x)), scene.choice(range(2, 15))
    yes, no = scene.choice(
        [("big", "small"), ("yes", "no"), ("open", "closed"), ("warm", "cold"), ("more", "less")]
    )
    mark, true = scene.choice([(">", n > limit), ("<", n < limit), ("==", n == limit)])
    scene.code("{x} = {n}", x=x, n=n, after=holds(x, n))
    scene.code(
        f'if {{x}} {mark} {{limit}}:\n    print("{yes}")\nelse:\n    print("{no}")',
        x=x, limit=limit, after=[(x, "test", "passes the test" if true else "fails the test")],
    )  # fmt: skip
    scene.line(*OUTPUTS)
    scene.code(yes if true else no)
    if scene.chance(0.5):
        why = {">": "above", "<": "below", "==": "equal to"}[mark]
        said = "is" if true else "is not"
        scene.line(
            f"The reason: {{x}} is {{n}}, and that {said} {why} {{limit}}.", x=x, n=n, limit=limit
        )


SCENES: tuple[Writes, ...] = (
    assignments, assignments, assignments, assignments, retell, retell, greetings, lists, loops,
    adding_up, choices, functions, brackets,
)  # fmt: skip
