"""What food costs."""

from demo_model.world import lexicon
from demo_model.world.lexicon import FOODS, Entity
from demo_model.world.scene import Count, Scene
from demo_model.world.telling import people

PRICES = list(range(1, 11))
_COIN = lexicon.thing("coin")


def coins(n: int) -> Count:
    """So many coins."""
    return Count(n, _COIN)


def foods(scene: Scene, n: int) -> list[Entity]:
    """Different kinds of food."""
    return [lexicon.food(name) for name in scene.some(list(FOODS), n)]


def opening(scene: Scene, who: Entity) -> None:
    """How a text about the market begins."""
    if scene.chance(0.3):
        return
    scene.say(
        "{who} <goes|walks|runs> to the <market|shop|bakery>.", "It is <a fine|market|a busy> day.",
        "{who} is <happy|hungry|tired> and <goes|walks> to the <market|shop>.",
        "The <man|woman> in the shop is <happy|kind|tired|funny> today.",
        "{who} wants to buy something <at the market|in the shop>.",
        "<Early in|In> the morning, {who} is at the market.",
        who=who,
    )  # fmt: skip


def price_of(scene: Scene, food: Entity, price: int) -> None:
    """What one food costs."""
    scene.say(
        "{a food} costs {price}.", "Today {a food} costs {price}.", "For {a food} you pay {price}.",
        '"{a food} is {price}," says the <man|woman>.', "There are {food.s}. Each costs {price}.",
        "The {food.s} are <fresh|good|nice>. One costs {price}.",
        food=food, price=coins(price), after=[(food, "price", costing(price))],
    )  # fmt: skip


def written(n: int) -> str:
    """A price as facts have it: "3 coins"."""
    return f"{n} {coins(n).noun}"


def costing(n: int) -> str:
    """The fact that something has a price."""
    return f"costs {written(n)}"


def price_list(scene: Scene, prices: list[tuple[Entity, int]]) -> None:
    """Two at a time where it can be."""
    left = list(prices)
    while left:
        food, price = left.pop(0)
        if not left or scene.chance(0.4):
            price_of(scene, food, price)
            continue
        other, cost = left.pop(0)
        scene.say("{a food} costs {price}", "Here {a food} is {price}", "{a food} is {price}",
                  food=food, price=coins(price), after=[(food, "price",
                  costing(price))])  # fmt: skip
        scene.say("and {a food} costs {price}.", "and {a food} is {price}.",
                  "and {a food} {price}.",
                  food=other, price=coins(cost), after=[(other, "price",
                  costing(cost))])  # fmt: skip


def ask_price(scene: Scene, food: Entity, price: int) -> None:
    """A question after a price, and its answer."""
    scene.say(
        "What does {a food} cost? It costs {price!price}.",
        "How much is {a food}? It is {price!price}.",
        '{who} asks, "What does {a food} cost?" "{price!price}," says the <man|woman>.',
        '"How much is the {food.name}?" asks {who}. "{price!price}."',
        "So for {a food} you pay {price!price}.",
        "~How much does {a food} cost? You pay {price!price}.",
        '~"What do you pay for {a food}?" asks {who}. "It costs {price!price}."',
        food=food, price=coins(price), who=people(scene, 1)[0],
    )  # fmt: skip
