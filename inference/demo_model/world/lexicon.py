"""Who and what there is in the world: people, animals, things, places, food, countries."""

import csv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(eq=False)
class Entity:
    """Somebody or something that a scene speaks of, with what is true of it at the moment.

    `facts` maps a relation to what holds: `{"place": "is in the kitchen", "mood": "is sad"}`.
    """

    name: str  # "Anna", "dog", "key"
    concept: str  # what it is one of, in the plural: "girls", "animals", "things"
    pronoun: str = "it"  # he, she, it, they
    proper: bool = False  # a name, which takes no article
    plural: str = ""  # "keys", where it can be counted
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def the(self) -> str:
        """With its article: "the dog", "Anna"."""
        return self.name if self.proper else f"the {self.name}"


@dataclass(frozen=True)
class Place:
    """A place and how one is there: "in the kitchen", "on the beach"."""

    name: str
    preposition: str
    concept: str = "places"

    @property
    def there(self) -> str:
        """Where somebody is who is there."""
        return f"{self.preposition} the {self.name}"


@dataclass(frozen=True)
class Country:
    """A country with its capital, its language and what its people are called."""

    name: str
    capital: str
    language: str
    people: str
    continent: str


GIRLS = [
    "Anna",
    "Emma",
    "Lucy",
    "Mia",
    "Sara",
    "Nora",
    "Rosa",
    "Clara",
    "Ella",
    "Ida",
    "Zoe",
    "Julia",
    "Maria",
    "Lena",
]
BOYS = [
    "Tom",
    "Ben",
    "Max",
    "Paul",
    "Leo",
    "Sam",
    "Jack",
    "Peter",
    "Oscar",
    "Felix",
    "Hugo",
    "Adam",
    "Noah",
    "Omar",
]
ANIMALS = [
    "dog",
    "cat",
    "rabbit",
    "parrot",
    "mouse",
    "duck",
    "horse",
    "goat",
    "hen",
    "frog",
    "owl",
    "fox",
]
THINGS = [
    "key",
    "ball",
    "book",
    "lamp",
    "hat",
    "cup",
    "coin",
    "map",
    "kite",
    "drum",
    "ring",
    "letter",
    "umbrella",
    "bell",
    "rope",
    "spoon",
    "doll",
    "scarf",
]
CONTAINERS = ["box", "drawer", "bag", "basket", "chest", "cupboard", "bucket", "jar"]
INDOORS = tuple(
    Place(name, "in")
    for name in ["kitchen", "garden", "attic", "cellar", "bedroom", "bathroom", "hall", "barn"]
)
OUTDOORS = (
    *(
        Place(name, "in")
        for name in ["park", "library", "forest", "castle", "museum", "shop", "church"]
    ),
    *(Place(name, "at") for name in ["market", "school", "station", "harbour", "bakery"]),
    *(Place(name, "on") for name in ["beach", "bridge", "hill"]),
    *(Place(name, "by") for name in ["river", "lake"]),
)
PLACES = INDOORS + OUTDOORS
FOODS = {
    "apple": "apples", "pear": "pears", "plum": "plums", "lemon": "lemons", "egg": "eggs",
    "carrot": "carrots", "cake": "cakes", "bun": "buns", "roll": "rolls", "pie": "pies",
    "melon": "melons", "onion": "onions", "tomato": "tomatoes", "cherry": "cherries",
    "cookie": "cookies", "potato": "potatoes",
}  # fmt: skip
MOODS = [
    "happy",
    "sad",
    "angry",
    "tired",
    "scared",
    "proud",
    "bored",
    "excited",
    "lonely",
    "hungry",
    "thirsty",
    "worried",
]
WEATHER = ["sunny", "rainy", "windy", "snowy", "foggy", "cloudy"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def person(name: str) -> Entity:
    """One of GIRLS or BOYS."""
    girl = name in GIRLS
    return Entity(name, "girls" if girl else "boys", "she" if girl else "he", proper=True)


def animal(name: str) -> Entity:
    """One of ANIMALS."""
    return Entity(name, "animals", plural={"mouse": "mice", "fox": "foxes"}.get(name, f"{name}s"))


def thing(name: str) -> Entity:
    """One of THINGS."""
    return Entity(name, "things", plural={"box": "boxes"}.get(name, f"{name}s"))


def container(name: str) -> Entity:
    """One of CONTAINERS."""
    return Entity(name, "containers", plural={"box": "boxes"}.get(name, f"{name}s"))


def food(name: str) -> Entity:
    """One of FOODS."""
    return Entity(name, "food", plural=FOODS[name])


@cache
def countries() -> tuple[Country, ...]:
    """All countries of data/countries.csv."""
    with (DATA / "countries.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Country(r["name"], r["capital"], r["language"], r["people"], r["continent"])
            for r in csv.DictReader(file)
        )
