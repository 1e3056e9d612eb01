"""At the market: what things cost, who buys what, what it comes to, and the change."""

from demo_model.world import lexicon
from demo_model.world.arithmetic import LIMIT, addends, chain, others, takeaways
from demo_model.world.lexicon import FOODS, Entity
from demo_model.world.prices import (
    PRICES,
    ask_price,
    coins,
    costing,
    foods,
    opening,
    price_list,
    price_of,
    written,
)
from demo_model.world.scene import Change, Scene, Writes
from demo_model.world.shoppers import may_buy, shoppers
from demo_model.world.telling import people


def prices(scene: Scene) -> None:
    """Two to four prices, then what some of them were."""
    opening(scene, people(scene, 1)[0])
    listed: list[tuple[Entity, int]] = []
    for food in foods(scene, scene.choice([2, 2, 3, 4])):
        options = scene.fitting(food.name, PRICES)
        free = [n for n in options if n not in [price for _, price in listed]]
        listed.append((food, scene.choice(free or options)))
    price_list(scene, listed)
    if scene.chance(0.3):
        scene.say("The sun shines.", "Many people are here.", "A dog <sits|sleeps> by the door.")
    for food, price in scene.some(listed, scene.choice([1, 2])):
        ask_price(scene, food, price)


def _two_prices(scene: Scene, foods: list[Entity]) -> tuple[int, int]:
    """Prices that may be added, in training also the other way round, as both orders are heard."""
    while True:
        a = scene.choice(_stated(scene, foods[0]))
        options = [
            b for b in _stated(scene, foods[1])
            if a != b and b in addends(scene, a) and (scene.held_out or a in addends(scene, b))
        ]  # fmt: skip
        if options:
            return a, scene.choice(options)


def _stated(scene: Scene, food: Entity) -> list[int]:
    """What it may cost where nobody is measured on its price."""
    return PRICES if scene.held_out else scene.fitting(food.name, PRICES)


def _bill(bill: Entity, total: int) -> list[Change]:
    return [
        (bill, "total", f"is {written(total)}"),
        (bill, "size", "is above ten coins" if total > 10 else "is at most ten coins"),
    ]


def pay(scene: Scene, bill: Entity, who: Entity, total: int, *more: str) -> None:
    """Paying, with change where the two numbers may stand together; `more` ways to tell it."""
    options = [n for n in range(total + 1, LIMIT + 1) if total in takeaways(scene, n)]
    round_ones = [n for n in (10, 15, 20) if n in options]
    if not options:
        return
    paid = scene.choice(round_ones if round_ones and scene.chance(0.6) else options)
    change = Entity("change", "change")
    back = paid - total
    scene.say(
        "{who} <gives|pays with> {paid}", "{who} <puts|lays> down {paid}",
        "Then {who} gives {paid}",
        who=who, paid=coins(paid),
        after=[(bill, "paid", "is paid"), (change, "left", f"is {written(back)}")],
    )  # fmt: skip
    scene.say(
        "and gets {back!change} back.", "and <gets|takes> back {back!change}.",
        "and the change is {back!change}.", "and what {who.he} gets back is {back!change}.",
        "and so {who.he} gets {back!change} back.", "and the <man|woman> gives back {back!change}.",
        "~and so the change {who.he} gets is {back!change}.",
        "~and the <man|woman> gives {back!change} back.",
        *more,
        who=who, back=coins(back),
    )  # fmt: skip


def _total(scene: Scene, who: Entity, total: int) -> None:
    scene.say(
        "How much is that? It is {total!total}.", "That is {total!total}.",
        "It makes {total!total} in all.",
        '"That makes {total!total}, please," says the <man|woman>.',
        "What does it cost? {total!total}.",
        "Now {who} must pay {total!total}.",
        "~How much does it cost? That makes {total!total}.",
        "~What is that in all? It is {total!total}.",
        total=coins(total), who=who,
    )  # fmt: skip


def sale(scene: Scene) -> None:
    """Two things are bought together."""
    [who] = people(scene, 1)
    first, second = bought = foods(scene, 2)
    a, b = _two_prices(scene, bought)
    bill = Entity("bill", "bills")
    opening(scene, who)
    price_list(scene, [(first, a), (second, b)])
    named = scene.held_out or all(food.name in may_buy(scene, who) for food in bought)
    scene.say(
        *(("{who} <buys|takes|wants> {a first} and {a second}.",
           "{who} <puts|lays> {a first} and {a second} in {who.his} basket.",
           '"{a first} and {a second}, please," says {who}.') if named else
          ("One of each goes in the basket: {a first} and {a second}.",
           '"{a first} and {a second}, please."')),
        who=who, first=first, second=second, after=_bill(bill, a + b),
    )  # fmt: skip
    _total(scene, who, a + b)
    if scene.chance(0.5):
        pay(scene, bill, who, a + b)
    if scene.chance(0.3) and not scene.held_out:
        ask_price(scene, *scene.choice([(first, a), (second, b)]))


def running_bill(scene: Scene) -> None:
    """One thing after another goes on the bill."""
    [who] = people(scene, 1)
    bill = Entity("bill", "bills")
    opening(scene, who)
    costs = chain(scene, 4)
    taken: set[str] = set()
    total = 0
    for place, cost in enumerate(costs):
        options = [n for n in FOODS if n not in taken and cost in _stated(scene, lexicon.food(n))]
        food = lexicon.food(scene.choice(options))
        taken.add(food.name)
        total += cost
        scene.say(
            "{a food} for {cost}.", "{food.name}: {cost}.", "Then {a food} for {cost}."
            if place else "First {a food} for {cost}.", "There is {a food} for {cost}.",
            food=food, cost=coins(cost),
            after=[(food, "price", costing(cost)), *_bill(bill, total)],
        )  # fmt: skip
        if place:
            scene.say(
                "<Now|So> {bill} is {total!total}.", "That makes {total!total}.",
                "{bill} is {total!total} now.",
                "So far, that is {total!total}.",
                "~So far, {bill} is {total!total}.", "~Now that makes {total!total}.",
                bill=bill, total=coins(total),
            )  # fmt: skip
    if scene.chance(0.4):
        pay(scene, bill, who, total)


def cheaper(scene: Scene) -> None:
    """Which of two costs more, or less."""
    [who] = people(scene, 1)
    first, second = foods(scene, 2)
    while True:
        a = scene.choice(_stated(scene, first))
        fits = [b for b in _stated(scene, second) if b in others(scene, a)]
        if fits:
            break
    b = scene.choice(fits)
    opening(scene, who)
    price_list(scene, [(first, a), (second, b)])
    less, more = (first, second) if a < b else (second, first)
    low = scene.chance(0.5)
    texts = (
        "What costs L? The {food.name!cheaper}.", "What costs L? It is {food!cheaper}.", "Which one costs L? {food!cheaper} costs L.",
        "{who} likes what costs L: {food!cheaper}.", "{food!cheaper} costs L than {other}.",
        "~Which costs L? It is {food!cheaper}.", "~What is it that costs L? It is {food!cheaper}.",
    )  # fmt: skip
    scene.say(
        *(text.replace("L", "less" if low else "more", 2) for text in texts),
        food=less if low else more, other=more if low else less, who=who,
        after=[(less, "worth", "costs less"), (more, "worth", "costs more")],
    )  # fmt: skip


def one_thing(scene: Scene) -> None:
    """One thing is bought and paid for."""
    [who] = people(scene, 1)
    bill = Entity("bill", "bills")
    name = scene.choice(list(FOODS) if scene.held_out else may_buy(scene, who))
    food = lexicon.food(name)
    price = scene.choice(_stated(scene, food))
    opening(scene, who)
    price_of(scene, food, price)
    scene.say("{who} <buys|takes|wants> {a food}.", '"{a food}, please," says {who}.',
              "{who} is hungry and buys {a food}.",
              who=who, food=food, after=_bill(bill, price))  # fmt: skip
    pay(scene, bill, who, price)


SCENES: tuple[Writes, ...] = (
    prices, prices, prices, sale, sale, sale, shoppers, shoppers, running_bill, running_bill,
    cheaper, one_thing,
)  # fmt: skip
