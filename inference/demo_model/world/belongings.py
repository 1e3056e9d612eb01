"""Who has what, and what is in what."""

from collections.abc import Sequence

from demo_model.world import lexicon
from demo_model.world.lexicon import CONTAINERS, THINGS, Entity
from demo_model.world.scene import Change, Scene
from demo_model.world.telling import NAMES, another, aside, once_upon_a_time, passing, people

TWO_MOVES = "two moves"  # the task of what was put or went to two places, one after the other


def holds(scene: Scene, who: Entity, thing: Entity) -> list[Change]:
    """The changes when somebody has a thing now."""
    return [
        (who, f"has {thing.name}", f"has {thing.the}"),
        (thing, "holder", f"is with {who.the}"),
    ]


def loses(who: Entity, thing: Entity) -> Change:
    """The change when somebody does not have a thing any more."""
    return (who, f"has {thing.name}", "")


def may_have(scene: Scene, who: Entity) -> list[str]:
    """The things that may be told to be with somebody, on the way to an answer."""
    return [name for name in THINGS if who.name in passing(scene, name, NAMES)]


def begin_with(scene: Scene, who: Entity, thing: Entity) -> None:
    """Somebody has something."""
    once_upon_a_time(scene, who)
    scene.say(
        "{who} has {a thing}.",
        "{who} finds {a thing} <in the grass|under the bed|on the road|behind the door>.",
        "{who} <plays with|looks at|carries> {a thing}.",
        "{who} has {a thing} in {who.his} hand.",
        "There is {a thing} on the table. {who} takes it.",
        "{who} got {a thing} for {who.his} birthday.",
        who=who, thing=thing, after=holds(scene, who, thing),
    )  # fmt: skip


def pass_on(scene: Scene, giver: Entity, taker: Entity, thing: Entity) -> None:
    """A thing changes hands."""
    scene.say(
        "{giver} gives {thing} to {taker.name}.",
        "{taker.name} takes {thing} from {giver.name}.",
        'Then {giver} gives {thing} to {taker.name}.',
        '"Here, {taker.name}, take {thing}," says {giver.name}.',
        'Now {taker.name} wants {thing}, and {giver.name} gives it to {taker.him}.',
        '"May I have {thing}?" asks {taker.name}. "Yes," says {giver.name}, and {taker.name} takes it.',
        "{giver} shows {thing} to {taker.name}, and {taker.name} keeps it.",
        giver=giver, taker=taker, thing=thing,
        after=[loses(giver, thing), *holds(scene, taker, thing)],
    )  # fmt: skip


def ask_holder(scene: Scene, who: Entity, thing: Entity) -> None:
    """Who has it?"""
    scene.say(
        "Who has {thing} now? {who.name!holder} has {thing}.",
        "Who has {thing}? {who.name!holder} has it.",
        "Now {thing} is with {who.name!holder}.",
        'So the one who has {thing} is {who.name!holder}.',
        "Who has {thing}? It is {who.name!holder}.",
        "{thing} is not lost. It is with {who.name!holder}.",
        "Whoever needs {thing} can ask {who.name!holder}.",
        '"I want {thing}," somebody says. "Then you must go to {who.name!holder}."',
        '"Who has {thing}?" asks the teacher. "{who.name!holder} has it," say the children.',
        "~So who has {thing} now? It is {who.name!holder}.",
        "~If you want {thing}, you must ask {who.name!holder}.",
        who=who, thing=thing,
    )  # fmt: skip


def ask_what(scene: Scene, who: Entity, thing: Entity) -> None:
    """What does somebody have?"""
    scene.say(
        "What does {who.name} have? {who.he} has the {thing.name!thing}.",
        "{who.name} still has the {thing.name!thing}.",
        'And {who.name}? {who.he} has the {thing.name!thing}.',
        "In the hand of {who.name} is the {thing.name!thing}.",
        "~What is in the hand of {who.name}? It is the {thing.name!thing}.",
        who=who, thing=thing,
    )  # fmt: skip


def give_and_take(scene: Scene) -> None:
    """One or two things go from hand to hand; who has them?"""
    cast = people(scene, scene.choice([2, 3, 3]))
    things = [lexicon.thing(name) for name in scene.some(THINGS, scene.choice([1, 2, 2]))]
    holder: dict[str, Entity] = {}
    for thing in things:
        names = passing(scene, thing.name, NAMES)
        fits = [who for who in cast if who.name in names] or [_cast_one(scene, cast, names)]
        holder[thing.name] = another(scene, fits, *holder.values())
        begin_with(scene, holder[thing.name], thing)
    moves = [scene.choice(things) for _ in range(scene.choice([1, 1, 2, 3]))]
    for number, thing in enumerate(moves):
        last = thing not in moves[number + 1 :]
        names = scene.fitting(thing.name, NAMES) if last else passing(scene, thing.name, NAMES)
        giver = holder[thing.name]
        fits = [who for who in cast if who.name in names and who is not giver]
        taker = scene.choice(fits) if fits else _cast_one(scene, cast, names)
        pass_on(scene, giver, taker, thing)
        holder[thing.name] = taker
        aside(scene)
    for thing in things:
        if thing in moves or not scene.held_out:
            ask_holder(scene, holder[thing.name], thing)
    if scene.chance(0.3) and len({who.name for who in holder.values()}) == len(things):
        thing = scene.choice(things)
        ask_what(scene, holder[thing.name], thing)


def _cast_one(scene: Scene, cast: list[Entity], names: Sequence[str]) -> Entity:
    """Somebody new."""
    known = [who.name for who in cast]
    cast.append(lexicon.person(another(scene, names, *known)))
    return cast[-1]


def put_away(scene: Scene) -> None:
    """A thing is put into something, and perhaps into something else; where is it?"""
    [who, other] = people(scene, 2)
    thing = lexicon.thing(scene.choice(THINGS))
    first, second = (lexicon.container(name) for name in scene.some(CONTAINERS, 2))
    moved = scene.chance(0.7)
    answers = scene.fitting(thing.name, CONTAINERS)
    if moved:
        if first.name not in passing(scene, thing.name, CONTAINERS):
            first = lexicon.container(scene.choice(answers))
        second = lexicon.container(another(scene, answers, first.name))
    else:
        first = lexicon.container(scene.choice(answers))
    if moved and first.name == second.name:
        moved = False
    scene.say(
        "{who} has {a thing}. {who.he} puts it in the {first.name}.",
        "{who} puts {thing} in the {first.name} and <goes out|closes it|goes to sleep>.",
        "There is {a thing} in the {first.name}. {who} has put it there.",
        who=who, thing=thing, first=first, after=[(thing, "in", f"is in {first.the}")],
    )  # fmt: skip
    aside(scene)
    last = first
    if moved:
        last = second
        scene.say(
            "{other} takes {thing} out of the {first.name} and puts it in the {second.name}.",
            "Then {other} finds it and puts it in the {second.name}.",
            "But {other} <needs|wants> the {first.name}, so {other.he} puts {thing} in the {second.name}.",
            "Later {who.name} puts {thing} in the {second.name}.",
            who=who, other=other, thing=thing, first=first, second=second,
            after=[(thing, "in", f"is in {second.the}")],
        )  # fmt: skip
    scene.say(
        "Where is {thing} now? {thing} is in the {last.name!container}.",
        'Where is {thing}? It is in the {last.name!container}.',
        '"Where is {thing}?" asks {other.name}. "In the {last.name!container}," says {who.name}.',
        "{who.name} looks in the {last.name!container}, and there is {thing}.",
        "You must look in the {last.name!container}, for there is {thing}.",
        "So {thing} is now in the {last.name!container}.",
        "~So {thing} must be in the {last.name!container}.",
        '~"Do you know where {thing} is?" asks {other.name}. "It is in the {last.name!container}," says {who.name}.',
        who=who, other=other, thing=thing, last=last, task=TWO_MOVES if moved else "container",
    )  # fmt: skip
