"""Days of the week, the weather and what follows from it, plans, times of the day, seasons."""

from demo_model.world import lexicon
from demo_model.world.lexicon import DAYS, PLACES, WEATHER, Entity, Place
from demo_model.world.scene import Scene, Writes

# How each kind of question begins, and how many days later its answer is.
_STEPS = {
    "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2,
    "the day before yesterday": -2, "in three days": 3,
}  # fmt: skip
_FOLLOWS = {
    "rainy": ("take an umbrella", "stay dry in the house", "jump over the water on the street"),
    "sunny": ("wear a hat", "swim in the lake", "eat ice on the beach"),
    "windy": ("fly a kite", "hold on to the hat", "hear the trees"),
    "snowy": ("wear a warm scarf", "build a snowman", "walk through the snow"),
    "foggy": ("carry a lamp", "walk slowly", "look for the way"),
    "cloudy": ("stay near the house", "look up at the grey sky", "wait for the sun"),
}
_SEASONS = {
    "spring": ("the first flowers open", "the birds come back", "the trees get green leaves"),
    "summer": ("the days are long", "the children swim in the lake", "the sun is hot"),
    "autumn": ("the leaves fall", "the apples are ripe", "the wind gets strong"),
    "winter": ("the days are short", "the lake freezes", "snow lies on the roofs"),
}
_TIMES = {
    "morning": ("gets up", "eats a roll", "walks to school"),
    "afternoon": ("comes home from school", "plays with friends", "drinks tea"),
    "evening": ("eats supper", "reads a book", "brushes the dog"),
    "night": ("sleeps", "dreams of a ship", "hears an owl"),
}


def somebody(scene: Scene) -> Entity:
    """A boy or a girl."""
    return lexicon.person(scene.choice(lexicon.GIRLS + lexicon.BOYS))


def name_day(scene: Scene, day: Entity, name: str) -> None:
    """Which day it is."""
    kind = "is at the weekend" if name in ("Saturday", "Sunday") else "is a school day"
    scene.say(
        "Today is {name.days}.",
        "It is {name.days}<, and school is over| morning| evening|>.",
        '"Which day is it?" asks {who}. "It is {name.days}."',
        "{who} wakes up. It is {name.days}.",
        "The clock <strikes|rings>, and {name.days} <begins|is here>.",
        name=name, who=somebody(scene), after=[(day, "name", f"is {name}"), (day, "kind", kind)],
    )  # fmt: skip


def ask_day(scene: Scene, kind: str, answer: str) -> None:
    """What day it is `kind` ("tomorrow"), seen from the day that was named."""
    was = "was" if kind.endswith("yesterday") else "is"
    start = kind[0].upper() + kind[1:]
    scene.say(
        f"<So|And> {kind} it {was} {{day.days!day}}.",
        f"Which day {was} it {kind}? It {was} {{day.days!day}}.",
        f'"And {kind}?" <asks|says> {{who}}. "{start} it {was} {{day.days!day}}."',
        f"{{who}} knows that {kind} it {was} {{day.days!day}}.",
        f"{{who}} looks at the calendar: {kind} it {was} {{day.days!day}}.",
        f"~Who knows which day it {was} {kind}? It {was} {{day.days!day}}.",
        f'~{{who}} asks, "Which day {was} it {kind}?" It {was} {{day.days!day}}.',
        day=answer, who=somebody(scene),
    )  # fmt: skip


def calendar(scene: Scene) -> None:
    """Today, and the days before and after it."""
    options = [
        (today, kind, DAYS[(n + step) % len(DAYS)])
        for n, today in enumerate(DAYS)
        for kind, step in _STEPS.items()
        if DAYS[(n + step) % len(DAYS)] in scene.fitting(kind, DAYS)
    ]
    today = scene.choice(options)[0]
    name_day(scene, Entity("day", "days"), today)
    if scene.chance(0.4):
        scene.say(
            "<The sun shines|Rain falls|It is quiet> outside.",
            "{who} <looks at|opens> the calendar.",
            who=somebody(scene),
        )
    asked = [(kind, day) for first, kind, day in options if first == today]
    for kind, day in scene.some(asked, min(len(asked), scene.choice([1, 2, 3]))):
        ask_day(scene, kind, day)


def week(scene: Scene) -> None:
    """The days in their order."""
    first = scene.choice(range(len(DAYS)))
    one, two, three = (DAYS[(first + n) % len(DAYS)] for n in range(3))
    scene.say(
        "The days <are|go> like this: {one.days}, {two.days}, {three.days}.",
        "After {one.days} comes {two.days}, and after {two.days} comes {three.days}.",
        "{two.days} comes between {one.days} and {three.days}.",
        "Before {three.days} comes {two.days}, and before {two.days} comes {one.days}.",
        "{who} counts the days: {one.days}, {two.days}, {three.days}.",
        one=one, two=two, three=three, who=somebody(scene),
    )  # fmt: skip
    scene.say(
        "After Sunday, the week begins again.",
        "A week has seven days, and the first is Monday.",
        "The last day of the week is Sunday.",
    )
    calendar(scene)


def tell_weather(scene: Scene, day: Entity, name: str, weather: str) -> None:
    """The weather of a day, and often what somebody does because of it."""
    relation = f"{name} weather"
    scene.say(
        "On {name.days}, it is {weather.weather}.", "{name.days} is a {weather.weather} day.",
        "{name.days} comes, and it is {weather.weather}.",
        "It is {name.days}, and the day is {weather.weather}.",
        "{name.days} begins {weather.weather}.", name=name, weather=weather,
        after=[(day, "name", f"is {name}"), (day, "weather", f"is {weather}"),
               (Entity(name, "days", proper=True), relation, f"is {weather}")],
    )  # fmt: skip
    if scene.chance(0.6):
        who, other = map(lexicon.person, scene.some(lexicon.GIRLS + lexicon.BOYS, 2))
        scene.say(
            "{who} can {deed}.", "So {who} and {other} {deed}.",
            "It is a good day to {deed}.", '"Today we {deed}!" <says|calls> {who}.',
            "<All children|The children> {deed}.",
            who=who, other=other, deed=scene.choice(_FOLLOWS[weather]),
        )  # fmt: skip


def weather_diary(scene: Scene) -> None:
    """Two or three days with their weather; how was it on one of them?"""
    first, n = scene.choice(range(len(DAYS))), scene.choice([2, 2, 3])
    names = [DAYS[(first + number) % len(DAYS)] for number in range(n)]
    asked = scene.some(names, scene.choice([1, 2]))
    day = Entity("day", "days")
    known: dict[str, str] = {}
    for name in names:
        free = scene.held_out and name not in asked
        options = WEATHER if free else scene.fitting(name, WEATHER)
        known[name] = scene.choice([w for w in options if w not in known.values()] or options)
        tell_weather(scene, day, name, known[name])
    for name in asked:
        scene.say(
            "How was the weather on {name.days}? It was {weather.weather!weather}.",
            '"How was {name.days}?" asks {who}. "It was {weather.weather!weather}."',
            "{who} writes that {name.days} was {weather.weather!weather}.",
            "So {name.days} was {weather.weather!weather}.",
            "{who} remembers {name.days}, which was {weather.weather!weather}.",
            "~Who remembers the weather on {name.days}? It was {weather.weather!weather}.",
            "~{who} asks how {name.days} was. It was {weather.weather!weather}.",
            name=name, weather=known[name], who=somebody(scene),
        )  # fmt: skip


def why(scene: Scene) -> None:
    """What somebody does tells what the weather is like, and the other way round."""
    who, day = somebody(scene), Entity("day", "days")
    weather = scene.choice(scene.fitting("why", WEATHER))
    one, two = scene.some(_FOLLOWS[weather], 2)
    scene.say(
        "Today {who} wants to {deed}.", "All the children {deed}.", "{who} has to {deed} today.",
        '"Today we can {deed}," <says|calls> {who}.',
        who=who, deed=one, after=[(day, "weather", f"is {weather}")],
    )  # fmt: skip
    scene.say(
        "Why? Because it is {weather.weather!weather}.",
        "The reason is that the day is {weather.weather!weather}.",
        "You see, it is {weather.weather!weather} outside.",
        "~Why? The reason is that it is {weather.weather!weather} outside.",
        "~You see, the day is {weather.weather!weather}.",
        weather=weather,
    )  # fmt: skip
    scene.say("Soon {who} will {deed} <as well|too>.", "One can also {deed}.", who=who, deed=two)


def plans(scene: Scene) -> None:
    """Somebody's week: a place for every day. Where is he or she on one of them?"""
    who = somebody(scene)
    names = scene.some(DAYS, scene.choice([2, 3]))
    places = scene.fitting(who.name, PLACES)
    asked = scene.choice(names)
    known: dict[str, Place] = {}
    for name in names:
        free = PLACES if scene.held_out and name != asked else places
        known[name] = place = scene.choice([p for p in free if p not in known.values()])
        scene.say(
            "On {name.days}, {who} goes to {place.the}.",
            "{who} wants to be {place} on {name.days}.",
            "{name.days} is the day when {who} plays {place}.",
            "Every {name.days}, {who} is {place}.", "{who} goes to {place.the} on {name.days}.",
            who=who, name=name, place=place,
            after=[(who, f"{name} plan", f"is {place.there} on {name}")],
        )  # fmt: skip
    scene.say(
        "Where is {who.name} on {name.days}? {who} is {place!plan}.",
        "It is {name.days}, so {who.name} is {place!plan}.",
        "On {name.days}, you can find {who.name} {place!plan}.",
        '"Where are you on {name.days}?" "I am {place!plan}," says {who.name}.',
        "~It is {name.days}. Where is {who.name}? {who} is {place!plan}.",
        "~Who wants to find {who.name} on {name.days} must look {place!plan}.",
        who=who, name=asked, place=known[asked],
    )  # fmt: skip


def seasons(scene: Scene) -> None:
    """Spring, summer, autumn, winter."""
    year, names = Entity("year", "years"), list(_SEASONS)
    name = scene.choice(names)
    one, two = scene.some(_SEASONS[name], 2)
    scene.say(
        "It is {name.seasons}, and {deed}.", "In {name.seasons}, {deed}.",
        "{name.seasons} is here: {deed}.", "When {name.seasons} comes, {deed}.",
        name=name, deed=one, after=[(year, "season", f"is in {name}")],
    )  # fmt: skip
    scene.say(
        "{who} likes it when {deed}.",
        "{who} sees that {deed}.",
        "Look, {deed}!",
        who=somebody(scene),
        deed=two,
    )
    coming = names[(names.index(name) + 1) % len(names)]
    scene.say(
        "After {name.seasons} comes {coming.seasons}.", "Soon it will be {coming.seasons}.",
        "{coming.seasons} comes next.", "Then comes {coming.seasons}, when {deed}.",
        name=name, coming=coming, deed=scene.choice(_SEASONS[coming]),
    )  # fmt: skip


def from_morning_to_night(scene: Scene) -> None:
    """What somebody does at which time of the day."""
    who, day = somebody(scene), Entity("day", "days")
    times = list(_TIMES)[scene.choice([0, 0, 1]) :]
    name_day(scene, day, scene.choice(DAYS))
    for time in times:
        at = "At night" if time == "night" else f"In the {time}"
        deed = scene.choice(_TIMES[time])
        scene.say(
            f"{at}, {{who}} {deed}.",
            f"{{who}} {deed} {at.lower()}.",
            f"It is {time}. {{who}} {deed}.",
            who=who, after=[(day, "time", f"is at {time}")],
        )  # fmt: skip


SCENES: tuple[Writes, ...] = (
    calendar, calendar, week, weather_diary, weather_diary, why, plans, plans, seasons,
    from_morning_to_night,
)  # fmt: skip
