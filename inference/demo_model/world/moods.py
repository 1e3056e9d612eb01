"""What happens to people, how they feel about it, and what they do."""

from dataclasses import dataclass

from demo_model.world import lexicon
from demo_model.world.lexicon import MOODS, THINGS, Entity
from demo_model.world.scene import Scene, Writes
from demo_model.world.telling import another, aside, once_upon_a_time, people


@dataclass(frozen=True)
class Feeling:
    """A mood: what brings it about, and what one does who is in it. `{thing}` is any thing."""

    mood: str
    causes: tuple[str, ...]
    acts: tuple[str, ...]


FEELINGS = {
    feeling.mood: feeling
    for feeling in (
        Feeling(
            "happy",
            ("{who} finds {who.his} {thing.name} again", "{who} gets {a thing} for {who.his} birthday",
             "all the friends of {who.name} come to play", "{who} hears good news"),
            ("{who} <laughs|sings|smiles|dances>", "{who} sings a song"),
        ),
        Feeling(
            "sad",
            ("{who} has lost {who.his} {thing.name}", "{who} breaks {who.his} {thing.name}",
             "the best friend of {who.name} goes away", "the rain falls into the tent of {who.name}"),
            ("{who} <cries|begins to cry>", "{who} does not want to play"),
        ),
        Feeling(
            "angry",
            ("somebody takes the {thing.name} of {who.name}", "somebody laughs at {who.name}",
             "{who} must wait again and again", "somebody breaks the {thing.name} of {who.name}"),
            ("{who} shouts", "{who} closes the door with a bang"),
        ),
        Feeling(
            "tired",
            ("{who} has walked all day", "{who} has not slept well", "{who} has worked in the field all day"),
            ("{who} <goes to bed|falls asleep|lies down>", "{who} wants to sleep"),
        ),
        Feeling(
            "scared",
            ("{who} hears a noise in the dark", "{who} sees a big shadow", "there is thunder over the house of {who.name}"),
            ("{who} hides <under the bed|behind the door>", "{who} runs away"),
        ),
        Feeling(
            "proud",
            ("{who} wins the race", "{who} has made {a thing}", "{who} can swim now", "{who} has read a whole book"),
            ("{who} shows it to everybody", "{who} tells everybody about it"),
        ),
        Feeling(
            "bored",
            ("{who} has nothing to do", "{who} has to wait for an hour", "{who} hears the same story again"),
            ("{who} looks out of the window", "{who} counts the birds"),
        ),
        Feeling(
            "excited",
            ("tomorrow is the birthday of {who.name}", "{who} may go to the sea tomorrow", "{who} waits for a big surprise"),
            ("{who} cannot sit still", "{who} jumps up and down"),
        ),
        Feeling(
            "lonely",
            ("nobody has time for {who.name}", "{who} is new and knows nobody", "{who} is alone at home"),
            ("{who} writes a letter to a friend", "{who} talks to a doll"),
        ),
        Feeling(
            "hungry",
            ("{who} has not eaten since the morning", "{who} had no breakfast", "the lunch of {who.name} has fallen into the river"),
            ("{who} eats <a bun|an apple|a pie>", "{who} asks for bread"),
        ),
        Feeling(
            "thirsty",
            ("{who} has run in the sun", "{who} has eaten salty soup", "the bottle of {who.name} is empty"),
            ("{who} drinks <water|milk|juice>", "{who} asks for a cup of water"),
        ),
        Feeling(
            "worried",
            ("{who} cannot find the cat", "the brother of {who.name} is late", "{who} does not know the way home"),
            ("{who} calls for help", "{who} looks everywhere"),
        ),
    )
}  # fmt: skip


def happens(scene: Scene, who: Entity, mood: str) -> Entity:
    """Something brings the mood about, and perhaps it is named; returns the thing in it."""
    feeling = FEELINGS[mood]
    thing = lexicon.thing(scene.choice(THINGS))
    cause, act = scene.choice(feeling.causes), scene.choice(feeling.acts)
    after = [(who, "mood", f"is {mood}")]
    once_upon_a_time(scene, who)
    if scene.chance(0.5):
        scene.say(
            cause + ", so {who} is {mood.feeling!mood}.",
            cause + ". Now {who} is {mood.feeling!mood}.",
            "{who} is {mood.feeling}, because " + cause.replace("{who}", "{who.he}", 1) + ".",
            cause + '. "I am so {mood.feeling!mood}," says {who.name}.',
            who=who, thing=thing, mood=mood, after=after,
        )  # fmt: skip
        if scene.chance(0.4):
            scene.say(act + ".", who=who)
    else:
        scene.say(cause + ".", who=who, thing=thing, after=after)
        scene.say(act + ".", "So " + act + ".", who=who)
    return thing


def ask_mood(scene: Scene, who: Entity, mood: str) -> None:
    """How does somebody feel?"""
    scene.say(
        "How does {who.name} feel? {who.he} is {mood.feeling!mood}.",
        "How is {who.name}? {who.he} feels {mood.feeling!mood}.",
        "You can see that {who.name} is {mood.feeling!mood}.",
        '"How do you feel?" somebody asks {who.name}. "I am {mood.feeling!mood}," {who.he} says.',
        "So {who.name} is {mood.feeling!mood}.",
        "~How does {who.name} feel now? {who.name} feels {mood.feeling!mood}.",
        "~Everybody can see that {who.name} is {mood.feeling!mood}.",
        who=who, mood=mood,
    )  # fmt: skip


def how_they_feel(scene: Scene) -> None:
    """Something happens to one or two people; how do they feel?"""
    cast = people(scene, scene.choice([1, 2, 2]))
    felt: dict[str, str] = {}
    for who in cast:
        felt[who.name] = another(scene, scene.fitting(who.name, MOODS), *felt.values())
        happens(scene, who, felt[who.name])
        aside(scene, 0.15)
    scene.random.shuffle(cast)
    for who in cast:
        ask_mood(scene, who, felt[who.name])


def comfort(scene: Scene) -> None:
    """Somebody feels bad, a friend helps, and all is well."""
    who, friend = people(scene, 2)
    bad = ["sad", "angry", "lonely", "scared", "worried", "bored"]
    told = scene.fitting(who.name, MOODS)
    fitting = [mood for mood in bad if mood in told]
    if not fitting:
        how_they_feel(scene)
        return
    before = scene.choice(fitting)
    happens(scene, who, before)
    if "happy" not in told:
        ask_mood(scene, who, before)
        return
    scene.say(
        "{friend.name} is kind and <sings a song for|plays with|tells a story to> {who.name}.",
        "Then {friend.name} comes and <plays with|helps> {who.him}.",
        '"Do not be {before.feeling}," says {friend.name}, "I am here."',
        '{friend.name} gives {who.him} a flower.',
        who=who, friend=friend, before=before, after=[(who, "mood", "")],
    )  # fmt: skip
    scene.say(
        "Now {who} is happy again.", "Soon {who} <laughs|smiles> again and is happy.",
        "That makes {who.name} happy.", who=who, after=[(who, "mood", "is happy")],
    )  # fmt: skip
    if scene.chance(0.5):
        ask_mood(scene, who, "happy")
    both = Entity(f"{who.name} and {friend.name}", "friends", "they", proper=True)
    scene.say(
        "{both} {is both} friends.", "Now {both.he} {is both} friends.",
        "{both} <play|sing|laugh> until the evening, and then {both.he} {is both} tired.",
        both=both,
    )  # fmt: skip


def why(scene: Scene) -> None:
    """What is it about? The thing is asked for some sentences later."""
    who, other = people(scene, 2)
    mood = scene.choice(["sad", "happy", "angry", "proud"])
    if mood not in scene.fitting(who.name, MOODS):
        how_they_feel(scene)
        return
    causes = [cause for cause in FEELINGS[mood].causes if "thing" in cause]
    thing = lexicon.thing(scene.choice(scene.fitting(who.name, THINGS)))
    scene.say(*(cause + "." for cause in causes), who=who, thing=thing, after=[(who, "mood", f"is {mood}"), (who, "cause", f"is {mood} because of {thing.the}")])  # fmt: skip
    scene.say(*(act + "." for act in FEELINGS[mood].acts), who=who)
    ask_mood(scene, who, mood)
    scene.say(
        'Why is {who.name} {mood.feeling}? It is because of the {thing.name!cause}.',
        '{other.name} asks, "Is it because of the {thing.name!cause}?" "Yes," says {who.name}.',
        'It is all because of the {thing.name!cause}.',
        "~Why does {who.name} feel {mood.feeling}? It is because of the {thing.name!cause}.",
        who=who, other=other, mood=mood, thing=thing,
    )  # fmt: skip


SCENES: tuple[Writes, ...] = (how_they_feel, how_they_feel, comfort, why)
