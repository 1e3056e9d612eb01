"""Where people, animals and things are."""

from collections.abc import Sequence

from demo_model.world import lexicon
from demo_model.world.belongings import TWO_MOVES, holds, loses, may_have
from demo_model.world.lexicon import MOODS, PLACES, THINGS, Entity, Place
from demo_model.world.scene import Scene
from demo_model.world.telling import (
    NAMES,
    animals,
    another,
    aside,
    once_upon_a_time,
    passing,
    people,
)


def begin_at(scene: Scene, who: Entity, place: Place) -> None:
    """Somebody is somewhere."""
    once_upon_a_time(scene, who)
    scene.say(
        "{who} is {place}.",
        "{who} <sits|sleeps|plays|waits> {place}.",
        "It is morning, and {who} is {place}.",
        "Look, there is somebody {place}! It is {who}.",
        "{who} has been {place} <all day|since breakfast>.",
        "Today {who} <is|plays|sits> {place}.",
        who=who, place=place, after=[(who, "place", f"is {place.there}")],
    )  # fmt: skip


def move(scene: Scene, who: Entity, place: Place) -> None:
    """Somebody goes somewhere."""
    scene.say(
        "{who} <goes|walks|runs|hurries> to {place.the}.",
        "Then {who} <goes|walks|runs> to {place.the}.",
        "<After that|A little later|Soon>, {who} is {place}.",
        "Now {who} <sits|waits|rests> {place}.",
        "{who} <likes|wants> to be {place}, so {who.he} <goes|runs> there.",
        "{who} <gets up|looks around> and <goes|walks|runs> to {place.the}.",
        "But {who} does not stay there, {who.he} <goes|runs> to {place.the}.",
        who=who, place=place, after=[(who, "place", f"is {place.there}")],
    )  # fmt: skip


def ask_where(
    scene: Scene, who: Entity, place: Place, askers: Sequence[Entity] = (), task: str = "place"
) -> None:
    """A question after a place, and its answer; asked aloud if there are two to talk."""
    if askers:
        asker, other = askers
        scene.say(
            '"Where is {who.the}?" <asks|says> {asker.name}. "{who.he} is {place!place}," <says|answers> {other.name}.',
            '{asker.name} asks, "Where is {who.the}?" "{place!place}," {other.name} <says|answers>.',
            '"Have you seen {who.the}?" asks {asker.name}. "Yes, {who.he} is {place!place}," says {other.name}.',
            '~"Do you know where {who.the} is?" asks {asker.name}. "{who.he} is {place!place}," says {other.name}.',
            who=who, place=place, asker=asker, other=other, task=task,
        )  # fmt: skip
        return
    scene.say(
        "Where is {who.the} now? {who.the} is {place!place}.",
        "Where is {who.the}? {who.he} is {place!place}.",
        "And where is {who.the}? {who.he} is {place!place}.",
        "So {who.the} is now {place!place}.",
        "Who wants to find {who.the} must look {place!place}.",
        "Whoever needs {who.the} can see {who.him} {place!place}.",
        "If {who.the} is late, you can fetch {who.him} {place!place}.",
        "~So where can we find {who.the} now? {who.the} is {place!place}.",
        "~If you look for {who.the}, you find {who.him} {place!place}.",
        who=who, place=place, task=task,
    )  # fmt: skip


def hide_and_seek(scene: Scene) -> None:
    """Up to three walk about; where are they at the end?"""
    walkers = scene.some(people(scene, 2) + animals(scene, 2), scene.choice([1, 2, 2, 3]))
    where: dict[str, Place] = {}
    for who in walkers:
        where[who.name] = scene.choice(passing(scene, who.name, PLACES))
        begin_at(scene, who, where[who.name])
    moves = [scene.choice(walkers) for _ in range(scene.choice([1, 2, 2, 3]))]
    for number, who in enumerate(moves):
        last = who not in moves[number + 1 :]
        options = scene.fitting(who.name, PLACES) if last else passing(scene, who.name, PLACES)
        where[who.name] = another(scene, options, where[who.name])
        move(scene, who, where[who.name])
        aside(scene)
    asked = [who for who in walkers if who in moves or not scene.held_out]
    scene.random.shuffle(asked)
    for who in asked[: scene.choice([1, 2, 2, 3])]:
        talk = people(scene, 2) if scene.chance(0.3) else []
        if any(person.name == other.name for person in talk for other in walkers):
            talk = []
        task = TWO_MOVES if moves.count(who) >= 2 else "place"
        ask_where(scene, who, where[who.name], talk, task)


def carry(scene: Scene) -> None:
    """Somebody takes a thing along; where are both?"""
    who = people(scene, 1)[0]
    thing = lexicon.thing(scene.choice(may_have(scene, who)))
    both = scene.fitting(who.name, PLACES)
    either = [place for place in both if place in scene.fitting(thing.name, PLACES)]
    place = scene.choice(either or both)
    start = another(scene, passing(scene, who.name, PLACES), place)
    begin_at(scene, who, start)
    scene.say(
        "{who} takes {thing}.", "{who} has {a thing}.", "{who} <picks up|finds> {a thing}.",
        who=who, thing=thing, after=holds(scene, who, thing),
    )  # fmt: skip
    scene.say(
        "{who} <goes|walks|runs> to {place.the} with {thing}.",
        "Then {who} takes it to {place.the}.",
        "{who} carries {thing} to {place.the}.",
        who=who, thing=thing, place=place,
        after=[(who, "place", f"is {place.there}"), (thing, "place", f"is {place.there}")],
    )  # fmt: skip
    aside(scene)
    left = scene.chance(0.4)
    if left:
        scene.say(
            "{who} <leaves it there|puts it down> and goes home.",
            "There {who} <loses|forgets> {thing} and goes home.",
            who=who, thing=thing, after=[(who, "place", "is at home"), loses(who, thing)],
        )  # fmt: skip
    asked = thing if left or scene.chance(0.5) else who
    if asked is thing and not either:
        return
    scene.say(
        "Where is {asked.the} now? {asked.the} is {place!carried}.",
        "Where is {asked.the}? {asked.he} is {place!carried}.",
        "So {asked.the} is {place!carried} now.",
        "~So where can we find {asked.the} now? {asked.the} is {place!carried}.",
        asked=asked, place=place,
    )  # fmt: skip


def search(scene: Scene) -> None:
    """A thing is lost, looked for and found."""
    cast = people(scene, len(NAMES))
    who = next(one for one in cast if {"sad", "happy"} <= {*passing(scene, one.name, MOODS)})
    friend = next(one for one in cast if one is not who)
    thing = lexicon.thing(scene.choice(THINGS))
    place = scene.choice(scene.fitting(thing.name, PLACES))
    wrong = another(scene, PLACES, place)
    scene.say(
        "{who} has lost {who.his} {thing.name} and is sad.",
        "One day {who.name} cannot find {who.his} {thing.name}.",
        'Oh no! "Where is my {thing.name}?" says {who.name}.',
        "{who} looks for {thing}.",
        who=who, thing=thing, after=[(who, "mood", "is sad"), (who, "looks", f"looks for {thing.the}")],
    )  # fmt: skip
    scene.say(
        "{who} looks {wrong}, but {thing} is not there.",
        "Is it {wrong}? No, it is not.",
        '"Look {wrong}," says {friend.name}, but there is nothing.',
        who=who, thing=thing, wrong=wrong, friend=friend,
    )  # fmt: skip
    scene.say(
        "Then {friend.name} looks {place}, and there it is!",
        "At last {who.name} finds it {place}.",
        "Then {who.name} goes to {place.the}. There is {thing}!",
        '"It is {place}!" calls {friend.name}.',
        who=who, thing=thing, place=place, friend=friend,
        after=[(thing, "place", f"is {place.there}"), (who, "looks", ""), (who, "mood", "is happy")],
    )  # fmt: skip
    scene.say(
        "{who.name} is happy.", "{who.name} laughs.", "How happy {who.name} is now!",
        'Now {who.name} is happy and says, "Thank you, {friend.name}!"', who=who, friend=friend,
    )  # fmt: skip
    scene.say(
        "Where was {thing}? It was {place!found}.",
        '"Where was it?" asks {who.his} <mother|father>. "It was {place!found}," says {who.name}.',
        "So all the time {thing} was {place!found}.",
        "~And where was {thing} all the time? It was {place!found}.",
        who=who, thing=thing, place=place,
    )  # fmt: skip


def meeting(scene: Scene) -> None:
    """Two are at the same place, and one of them leaves."""
    first, second = people(scene, 2)
    options = scene.fitting(first.name, PLACES)
    shared = [place for place in options if place in scene.fitting(second.name, PLACES)]
    if not shared:
        hide_and_seek(scene)
        return
    place = scene.choice(shared)
    begin_at(scene, first, place)
    scene.say(
        "{second.name} goes to {place.the}, too.", "{second.name} comes to {place.the} and sees {first.name}.",
        '"Hello, {first.name}!" says {second.name}, who is {place}, too.',
        first=first, second=second, place=place, after=[(second, "place", f"is {place.there}")],
    )  # fmt: skip
    both = Entity(f"{first.name} and {second.name}", "friends", "they", proper=True)
    scene.say(
        "{both} {is both} {place}.", "Now {both.he} {is both} together.",
        "{both} play <with a ball|a game|with a rope>, and {both.he} {is both} happy.",
        "{both.he} {has both} a lot of fun.", both=both, place=place,
        after=[(both, "place", f"are {place.there}")],
    )  # fmt: skip
    aside(scene)
    asked = scene.choice([first, second])
    scene.say(
        "Where {is both} {both.name}? {both.he} {is both} {place!place}.",
        "Where is {asked.name}? {asked.he} is {place!place}.",
        "~So where can we find {asked.name} now? {asked.name} is {place!place}.",
        "~If you look for {asked.name}, you find {asked.him} {place!place}.",
        both=both, place=place, asked=asked,
    )  # fmt: skip
    scene.say(
        "In the evening {both.he} <go home|say goodbye>.", "Then {both.name} go home.",
        "{both.name} {is both} good friends.", both=both,
    )  # fmt: skip
