"""Who bought what."""

from demo_model.world import lexicon
from demo_model.world.lexicon import FOODS, Entity
from demo_model.world.prices import opening
from demo_model.world.scene import Scene
from demo_model.world.telling import people


def may_buy(scene: Scene, who: Entity) -> list[str]:
    """What may be said that somebody buys."""
    return scene.fitting(f"{who.name} buys", list(FOODS))


def shoppers(scene: Scene) -> None:
    """Two or three buy a thing each; who bought what?"""
    bought: list[tuple[Entity, Entity]] = []
    taken: set[str] = set()
    buyers = people(scene, scene.choice([2, 2, 3]))
    opening(scene, buyers[0])
    for who in buyers:
        free = [name for name in may_buy(scene, who) if name not in taken]
        if not free:
            continue
        food = lexicon.food(scene.choice(free))
        taken.add(food.name)
        bought.append((who, food))
        scene.say(
            "{who.the} buys {a food}.", "{who.the} <takes|gets> {a food}.",
            '"{a food}, please," says {who.the}.', "Then {who.the} <buys|takes> {a food}.",
            "{who.the} is hungry and buys {a food}.", "{who.the} <pays for|chooses> {a food}.",
            who=who, food=food,
            after=[(who, "bought", f"has bought the {food.name}"), (food, "owner",
            f"is {who.name}'s")],
        )  # fmt: skip
    if scene.chance(0.3):
        scene.say("Then they go home.", "They are <happy|hungry>.", "It is time for <lunch|tea>.")
    for who, food in scene.some(bought, scene.choice([1, len(bought)])):
        _ask_bought(scene, who, food)


def _ask_bought(scene: Scene, who: Entity, food: Entity) -> None:
    if scene.chance(0.4):
        scene.say(
            "Who has the {food.name}? {who.the!buyer}.",
            "Who buys the {food.name}? It is {who.the!buyer}.",
            "The {food.name} is for {who.the!buyer}.",
            "Who takes the {food.name}? {who.the!buyer} does.",
            "~Who gets the {food.name}? It is {who.the!buyer}.",
            "~Who pays for the {food.name}? It is {who.the!buyer}.",
            who=who, food=food,
        )  # fmt: skip
        return
    scene.say(
        "What does {who.the} buy? {a what!bought}.",
        "What does {who.the} have? {who.the} has {a what!bought}.",
        "So {who.the} has {a what!bought}.", "In {who.the}'s basket there is {a what!bought}.",
        "What is in {who.the}'s basket? {a what!bought}.",
        "~What does {who.the} have in the basket? There is {a what!bought}.",
        "~So what does {who.the} take? {who.the} takes {a what!bought}.",
        who=who, what=food,
    )  # fmt: skip
