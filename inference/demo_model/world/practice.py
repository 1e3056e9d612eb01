"""What takes most practice: the same questions as elsewhere, asked after every step.

Only the later courses of training read these scenes.
"""

from collections.abc import Sequence

from demo_model.world import lexicon, prices, programs, sums, whereabouts
from demo_model.world.belongings import ask_holder, begin_with, pass_on
from demo_model.world.lexicon import PLACES, THINGS, Entity
from demo_model.world.market import pay
from demo_model.world.scene import Count, Scene, Writes
from demo_model.world.shoppers import shoppers
from demo_model.world.snippets import introduce, variable
from demo_model.world.telling import NAMES, animals, another, people

# Names and foods that no question of the usual text is about: none of their values and holders is
# held out, so that what must be learned is to look, not which answers there are.
_OTHER_VARIABLES = [
    "i",
    "k",
    "m",
    "p",
    "q",
    "w",
    "sum",
    "price",
    "height",
    "level",
    "points",
    "day",
]


def variables(scene: Scene, names: Sequence[str] = programs.VARIABLES) -> None:
    """Two or three variables that change, printed after most lines."""
    introduce(scene, "A variable <keeps|holds> a number until it gets another.", share=0.2)
    named = [variable(name) for name in scene.some(names, scene.choice([2, 2, 3]))]
    now: dict[Entity, int] = {}
    for _ in range(scene.choice([3, 4, 5, 6])):
        programs.assign(scene, scene.choice(named), now, last=True)
        if scene.chance(0.7):
            x = scene.choice(list(now))
            _show(scene, x, now[x])


def _show(scene: Scene, x: Entity, n: int) -> None:
    """Print a variable; half the time in wordings that the usual text lacks."""
    if scene.chance(0.5):
        programs.show(scene, x, n)
        return
    scene.code(
        "print({x})  # it prints {n!variable}",
        "print({x})  # this will print {n!variable}",
        "print({x})  # this shows {n!variable}",
        "print({x})  # at this line {x} is {n!variable}",
        "print({x})  # still {x} is {n!variable}",
        "print({x})  # here we see {n!variable}",
        x=x, n=n,
    )  # fmt: skip


def other_variables(scene: Scene) -> None:
    """The same with variables of other names."""
    variables(scene, _OTHER_VARIABLES)


def told_variables(scene: Scene, names: Sequence[str] = programs.VARIABLES) -> None:
    """The same in words."""
    x, y = (variable(name) for name in scene.some(names, 2))
    now = {x: 0, y: 0}
    for who, tell in ((x, programs.tell_first), (y, programs.tell_second)):
        now[who] = scene.choice(programs.values(scene, who))
        tell(scene, who, now[who])
    for _ in range(scene.choice([1, 2, 3])):
        who = scene.choice([x, y])
        now[who] = scene.choice(programs.values(scene, who))
        programs.tell_change(scene, who, now[who])
        for asked in scene.some([x, y], scene.choice([1, 1, 2])):
            _ask_value(scene, asked, now[asked])


def _ask_value(scene: Scene, x: Entity, n: int) -> None:
    if scene.chance(0.5):
        programs.ask_value(scene, x, n)
        return
    scene.say(
        "And {x}? Now it is {n!variable}.",
        "What is {x} after that? Now it is {n!variable}.",
        "What is {x} at this moment? It is {n!variable}.",
        "When we print {x}, we see {n!variable}.",
        "We print {x}, and we see {n!variable}.",
        x=x, n=n,
    )  # fmt: skip


def other_told_variables(scene: Scene) -> None:
    """Variables of other names, in words."""
    told_variables(scene, _OTHER_VARIABLES)


def hands(scene: Scene, things: Sequence[str] = THINGS) -> None:
    """Things go from hand to hand, and after every step somebody asks for one."""
    cast = people(scene, 3)
    holder: dict[Entity, Entity] = {}
    for thing in (lexicon.thing(name) for name in scene.some(things, scene.choice([1, 2, 2]))):
        fits = [who for who in cast if who.name in _holders(scene, thing)]
        if fits:
            holder[thing] = another(scene, fits, *holder.values())
            begin_with(scene, holder[thing], thing)
    for _ in range(scene.choice([1, 2, 3, 4]) if holder else 0):
        thing = scene.choice(list(holder))
        giver = holder[thing]
        names = _holders(scene, thing)
        fits = [who for who in cast if who.name in names and who is not giver]
        if fits:
            holder[thing] = scene.choice(fits)
            pass_on(scene, giver, holder[thing], thing)
        asked = scene.choice(list(holder))
        _ask_holder(scene, holder[asked], asked)


def food_in_hands(scene: Scene) -> None:
    """The same with something to eat."""
    hands(scene, list(lexicon.FOODS))


def _holders(scene: Scene, thing: Entity) -> Sequence[str]:
    """Who may have it."""
    return scene.fitting(thing.name, NAMES) if thing.name in THINGS else NAMES


def _ask_holder(scene: Scene, who: Entity, thing: Entity) -> None:
    if scene.chance(0.6):
        ask_holder(scene, who, thing)
        return
    scene.say(
        "And who has {thing} now? It is {who.name!holder}.",
        "So who holds {thing}? It is {who.name!holder}.",
        "If somebody needs {thing}, they must ask {who.name!holder}.",
        "To get {thing}, you must go and ask {who.name!holder}.",
        who=who, thing=thing,
    )  # fmt: skip


def price_quiz(scene: Scene) -> None:
    """Some prices, and then a question for each."""
    prices.opening(scene, people(scene, 1)[0])
    listed: list[tuple[Entity, int]] = []
    for food in prices.foods(scene, scene.choice([2, 3, 3])):
        options = scene.fitting(food.name, prices.PRICES)
        free = [n for n in options if n not in [price for _, price in listed]]
        listed.append((food, scene.choice(free or options)))
    prices.price_list(scene, listed)
    for food, price in scene.some(listed, len(listed)):
        prices.ask_price(scene, food, price)


def change(scene: Scene) -> None:
    """Something is bought, and the coins that come back are counted."""
    [who] = people(scene, 1)
    food = lexicon.food(scene.choice(list(lexicon.FOODS)))
    price = scene.choice(scene.fitting(food.name, prices.PRICES))
    prices.price_of(scene, food, price)
    pay(
        scene, Entity("bill", "bills"), who, price,
        "and the change {who.he} has is {back!change}.",
        "and so the money {who.he} gets is {back!change}.",
        "and the change that {who.he} gets is {back!change}.",
        "and so the change in {who.his} hand is {back!change}.",
    )  # fmt: skip


def finding(scene: Scene) -> None:
    """Somebody is somewhere, and is to be found there."""
    for who in scene.some([*people(scene, 2), *animals(scene, 2)], scene.choice([1, 2])):
        place = scene.choice(scene.fitting(who.name, PLACES))
        whereabouts.begin_at(scene, who, place)
        scene.say(
            "If you need {who.the}, you find {who.him} {place!place}.",
            "When you want {who.the}, you find {who.him} {place!place}.",
            "If you want to see {who.the}, look {place}. There you find {who.him}.",
            "You look for {who.the}, and you see {who.him} {place!place}.",
            "If we look for {who.the}, we see {who.him} {place!place}.",
            who=who, place=place,
        )  # fmt: skip


def counting_again(scene: Scene) -> None:
    """Somebody has some things and counts them."""
    [who] = people(scene, 1)
    had = Count(scene.choice(range(2, 21)), sums.goods(scene))
    sums.have(scene, who, had)
    scene.say(
        "{who} counts them. And now {who.he} knows: {had}.",
        "{who} takes them all. So now {who.he} has {had}.",
        "{who} looks at them all. So now {who.he} can say: {had}.",
        who=who, had=had,
    )  # fmt: skip


Topics = dict[str, tuple[float, tuple[Writes, ...]]]
# What the second course adds to half of the usual text.
SCENES: Topics = {
    "programs": (9, (variables, variables, told_variables)),
    "stories": (5, (hands, hands, hands, finding)),
    "market": (3, (price_quiz, price_quiz, shoppers, change)),
    "sums": (0.6, (counting_again,)),
}
# What the third adds to the usual text.
MORE_SCENES: Topics = {
    "programs": (4, (other_variables, other_variables, other_told_variables)),
    "stories": (7, (food_in_hands,)),
    "sums": (4, sums.SCENES),
}
