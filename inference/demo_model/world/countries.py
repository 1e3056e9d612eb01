"""Countries: their capitals and languages, travellers, letters, a quiz at school, a map."""

from demo_model.world import lexicon
from demo_model.world.lexicon import Country, Entity
from demo_model.world.scene import Scene, Writes

_CAPITAL = (
    *("The capital of {country} is {country.capital!capital}.",) * 6,
    "<And the|But the> capital of {country} is {country.capital!capital}.",
    "{country} has the capital {country.capital!capital}.",
    "The capital city of {country} is {country.capital!capital}.",
    "{country} is a country, and its capital is {country.capital!capital}.",
    "What is the capital of {country}? It is {country.capital!capital}.",
    "What is the capital of {country}? The capital of {country} is {country.capital!capital}.",
    'Somebody asks, "What is the capital of {country}?" The answer is "{country.capital!capital}."',
    "Which city is the capital of {country}? {country.capital!capital}.",
    "Do you know the capital of {country}? It is {country.capital!capital}.",
    "In {country}, the biggest signs point to the capital, {country.capital!capital}.",
    "{country}: the capital is {country.capital!capital}.",
    "{country.people} people call their capital {country.capital!capital}.",
    "A train goes through {country} to the capital, {country.capital!capital}.",
    "Whoever goes to {country} can see its capital, {country.capital!capital}.",
    "The map of {country} shows the capital, {country.capital!capital}.",
    "On the map, the red point in {country} is {country.capital!capital}.",
    "A postcard from {country} shows the capital, {country.capital!capital}.",
    "The king of {country} lives in the capital, {country.capital!capital}.",
    "A long street leads through {country} to the capital, {country.capital!capital}.",
    "Every child in {country} knows the capital, {country.capital!capital}.",
    "A ship brings letters to {country}, and a train takes them to {country.capital!capital}.",
    "If you fly to {country}, you land in {country.capital!capital}.",
    "The <longest|oldest> street of {country} ends in the capital, {country.capital!capital}.",
    "The book says that the capital of {country} is {country.capital!capital}.",
    "Remember that the capital of {country} is {country.capital!capital}.",
    "The capital of {country} is called {country.capital!capital}.",
    "The biggest signs in {country} show the way to a city called {country.capital!capital}.",
    "The capital of {country} is the city of {country.capital!capital}.",
    "A train brought us to {country}, to the city of {country.capital!capital}.",
    "Somebody asked which city is the capital of {country}. The answer was "
    "{country.capital!capital}.",
    "A long time ago, the capital of {country} was {country.capital!capital}, as it is today.",
    "For a long time, the capital of {country} has been {country.capital!capital}.",
    "They wanted to see the king of {country} and went to {country.capital!capital}.",
    "He took a train to {country}, so he came to {country.capital!capital}.",
    "The city that you look for in {country} is {country.capital!capital}.",
    "{country} is far away, and so is its capital, {country.capital!capital}.",
    "The people of {country} are proud of their capital, {country.capital!capital}.",
    "{country} is in {country.continent}, and its capital is {country.capital!capital}.",
    "{country.capital} is the capital of {country}.",
    "The city of {country.capital} is in {country}.",
    "{country.capital} is a <big|fine|busy> city, and it is the capital of {country}.",
    # Held out: no other text asks like this.
    "~Everyone knows that the capital of {country} is {country.capital!capital}.",
    "~If you ask for the capital of {country}, the answer is {country.capital!capital}.",
    "~The name of the capital of {country} is {country.capital!capital}.",
    "~As we learn at school, the capital city of {country} is {country.capital!capital}.",
    "~The city that is the capital of {country} is called {country.capital!capital}.",
    "~{country} has a capital, and its name is {country.capital!capital}.",
    "~The teacher asked for the capital of {country}, and the answer was "
    "{country.capital!capital}.",
    "~The capital of {country} has always been {country.capital!capital}.",
    "~On the map we looked for the capital of {country}, the city of {country.capital!capital}.",
    "~In {country} the capital city is {country.capital!capital}.",
    "~Do you remember the capital of {country}? It is {country.capital!capital}.",
    "~She wanted to see the capital of {country}, so she went to {country.capital!capital}.",
)
_LANGUAGE = (
    "<Most people|People|The people> in {country} speak {country.language!language}.",
    "The language of {country} is {country.language!language}.",
    "In {country}, children learn to read in {country.language!language}.",
    "Which language do people speak in {country}? They speak {country.language!language}.",
    "The signs in {country} are written in {country.language!language}.",
    "Whoever lives in {country} can speak {country.language!language}.",
    "A book from {country} is written in {country.language!language}.",
    "In {country}, you can hear {country.language!language} everywhere.",
    "At school, children in {country} learn {country.language!language}.",
    "Everybody in {country} can read {country.language!language}.",
    "~Which language do children learn in {country}? They learn {country.language!language}.",
    "~The people of {country} can read and speak {country.language!language}.",
)
_CONTINENT = (
    "{country} is <a country in|in> {country.continent}.",
    "{country.continent} is where {country} is.",
    "To find {country} on the map, look at {country.continent}.",
    "<A part of|One country of> {country.continent} is {country}.",
    "In {country.continent}, there is a country called {country}.",
    "Where is {country}? It is in {country.continent}.",
)


def land(country: Country) -> Entity:
    """The country as something that facts are known of."""
    return Entity(country.name, "countries", proper=True)


def tell_capital(scene: Scene, country: Country, here: Entity) -> None:
    """What the capital is, which from then on is known of `here`, the country."""
    what = f"has the capital {country.capital}"
    scene.say(*_CAPITAL, country=country, after=[(here, "capital", what)])


def tell_language(scene: Scene, country: Country, here: Entity) -> None:
    """What people speak there."""
    scene.say(*_LANGUAGE, country=country, after=[(here, "language", f"speaks {country.language}")])


def tell_continent(scene: Scene, country: Country, here: Entity) -> None:
    """Where in the world the country is."""
    scene.say(
        *_CONTINENT, country=country, after=[(here, "continent", f"is in {country.continent}")]
    )


def traveller(scene: Scene, apart: Entity | None = None) -> Entity:
    """A boy or a girl."""
    names = [n for n in lexicon.GIRLS + lexicon.BOYS if apart is None or n != apart.name]
    return lexicon.person(scene.choice(names))


def home_of(scene: Scene, who: Entity) -> Country:
    """A country that `who` may come from or go to here."""
    return scene.choice(scene.fitting(who.name, lexicon.countries()))


def facts(scene: Scene) -> None:
    """What a school book says of some countries."""
    for country in scene.some(lexicon.countries(), scene.choice([2, 3])):
        here = land(country)
        tell_capital(scene, country, here)
        if scene.chance(0.4):
            scene.choice([tell_language, tell_continent])(scene, country, here)


def tell_home(scene: Scene, who: Entity, home: Country) -> None:
    """Where somebody comes from, and so what he or she speaks."""
    scene.say(
        "{who} <comes|is> from {country}.",
        "{who} <was born|grew up> in {country}.",
        "{who} lives in {country}.",
        "There is a new child at school. It is {who}, from {country}.",
        "{who} is a child from {country}.",
        '"I <come|am> from {country}," says {who}.',
        who=who, country=home, after=[(who, "home", f"comes from {home.name}")],
    )  # fmt: skip


def tell_speech(scene: Scene, who: Entity, home: Country) -> None:
    """What somebody speaks, after it was said where he or she is from."""
    scene.say(
        "So {who} speaks {country.language!language}.",
        "At home, {who} speaks {country.language!language}.",
        "{who} <sings|dreams|counts> in {country.language!language}.",
        "What does {who} speak? {who} speaks {country.language!language}.",
        "When {who} reads a book, it is written in {country.language!language}.",
        "{who} reads many books in {country.language!language}.",
        "~Which language does {who} speak at home? {who} speaks {country.language!language}.",
        "~What does {who} read? {who} reads a book in {country.language!language}.",
        who=who, country=home, after=[(who, "language", f"speaks {home.language}")],
    )  # fmt: skip


def ask_home(scene: Scene, who: Entity, home: Country) -> None:
    """Where somebody is from, asked later."""
    scene.say(
        "Where does {who.name} come from? {who.name} comes from {country!home}.",
        "So the home of {who.name} is {country!home}.",
        "The home of {who.name} is in {country!home}.",
        '"Where is your home?" {who.name} answers, "In {country!home}."',
        "When the holidays begin, {who.name} goes home to {country!home}.",
        "Then a train brings {who.name} home to {country!home}.",
        "~Where is the home of {who.name}? It is in {country!home}.",
        "~In the holidays, {who.name} comes home to {country!home}.",
        who=who, country=home,
    )  # fmt: skip


def new_children(scene: Scene) -> None:
    """Two children from different countries."""
    one = traveller(scene)
    two = traveller(scene, apart=one)
    homes = {child: home_of(scene, child) for child in (one, two)}
    for child, home in homes.items():
        tell_home(scene, child, home)
        if scene.chance(0.6):
            tell_speech(scene, child, home)
    if scene.chance(0.4):
        scene.say(
            "They <play|learn|sit> together <all day|at school|in the garden>.",
            "Soon they are friends.",
            "They show each other pictures of home.",
        )
    for child in scene.some([one, two], scene.choice([1, 2])):
        ask_home(scene, child, homes[child])
    if scene.chance(0.5):
        tell_capital(scene, homes[one], land(homes[one]))


def journey(scene: Scene) -> None:
    """Somebody travels to a capital and writes home."""
    who = traveller(scene)
    friend = traveller(scene, apart=who)
    goal = home_of(scene, who)
    here = land(goal)
    scene.say(
        "{who} <wants to see|dreams of> {country}.",
        "{who} has a <ticket|map> for a journey to {country}.",
        "In the holidays, {who} <flies|travels|goes> to {country}.",
        '"We are going to {country}!" says {who}.',
        who=who, country=goal, after=[(who, "journey", f"travels to {goal.name}")],
    )  # fmt: skip
    tell_capital(scene, goal, here)
    scene.say(
        "{who} takes a <train|ship|bus> and <sleeps|reads> on the way.",
        "The journey is long, but {who} is not tired.",
        "{who} packs a <bag|map|hat>. {friend} waves from the station.",
        who=who, friend=friend,
    )  # fmt: skip
    tell_language(scene, goal, here)
    scene.say(
        'Soon {friend} gets a postcard. "Greetings from {country!home}!" it says.',
        '"Dear {friend.name}, I am in {country!home}. It is fine here. Your {who.name}."',
        "{friend.name} gets a letter. {who.name} has sent it from {country!home}.",
        '~"Dear {friend.name}, greetings from {country!home}. Your {who.name}."',
        '~{friend.name} gets a postcard. {who.name} has sent it from {country!home}.',
        who=who, friend=friend, country=goal,
    )  # fmt: skip


def quiz(scene: Scene) -> None:
    """The teacher asks, children answer."""
    scene.say(
        "The teacher <begins|has> a quiz.", "There is a quiz at school <today|this morning>.",
        "The teacher hangs a map on the wall.", "It is time for the quiz.",
    )  # fmt: skip
    if scene.held_out:
        facts(scene)
        return
    for country in scene.some(lexicon.countries(), 2):
        scene.say(
            '"What is the capital of {country}?" asks the teacher. '
            '"{country.capital!capital}," <says|answers> {who.name}.',
            '"And the capital of {country}?" '
            '"It is {country.capital!capital}," <says|calls> {who.name}.',
            '"{who.name}, what is the capital of {country}?" '
            '"The capital of {country} is {country.capital!capital}."',
            '"{country}!" says the teacher. '
            '{who.name} knows the capital: {country.capital!capital}.',
            '"Who can show us the capital of {country}?" '
            '{who.name} points to {country.capital!capital}.',
            '"Of which country is {country.capital} the capital?" '
            '"Of {country}," <says|answers> {who.name}.',
            who=traveller(scene), country=country,
            after=[(land(country), "capital", f"has the capital {country.capital}")],
        )  # fmt: skip
    scene.say("All answers are right.", '"Well done," says the teacher.', "Then the bell rings.")


SCENES: tuple[Writes, ...] = (facts, facts, new_children, journey, quiz)
