"""Which numbers may be put together, and what holds of what comes out."""

from demo_model.world.lexicon import Entity
from demo_model.world.scene import Change, Scene

LIMIT = 20
NUMBERS = list(range(LIMIT + 1))


def addends(scene: Scene, a: int, least: int = 0) -> list[int]:
    """The numbers that may be added to `a` here. Doubles are always trained on, never measured."""
    fits = [b for b in scene.fitting(f"sum {a}", NUMBERS) if a != b]
    if not scene.held_out:
        fits.append(a)
    return [b for b in fits if b >= least and a + b <= LIMIT]


def takeaways(scene: Scene, a: int, least: int = 0) -> list[int]:
    """The numbers that may be taken away from `a` here."""
    return [b for b in scene.fitting(f"minus {a}", NUMBERS) if least <= b <= a]


def others(scene: Scene, a: int) -> list[int]:
    """The numbers that `a` may be compared with here."""
    return [b for b in scene.fitting(f"than {a}", NUMBERS) if a != b]


def sum_pair(scene: Scene, least: int = 0) -> tuple[int, int]:
    """Two numbers to add; all pairs are about as likely."""
    while True:
        a = min(scene.choice(NUMBERS), scene.choice(NUMBERS))  # small ones have more partners
        options = addends(scene, a, least)
        if a >= least and options:
            return a, scene.choice(options)


def minus_pair(scene: Scene, least: int = 0) -> tuple[int, int]:
    """A number and what to take away from it; all pairs are about as likely."""
    while True:
        a = max(scene.choice(NUMBERS), scene.choice(NUMBERS))
        options = takeaways(scene, a, least)
        if options:
            return a, scene.choice(options)


def chain(scene: Scene, n: int) -> list[int]:
    """Two to `n` numbers to add one after the other."""
    numbers: list[int] = []
    while len(numbers) < 2:
        numbers = [scene.choice(NUMBERS[1:10])]
        while len(numbers) < n:
            options = [b for b in addends(scene, sum(numbers), 1) if b < 10]
            if not options:
                break
            numbers.append(scene.choice(options))
    return numbers


def results(of: Entity, a: int, b: int, c: int) -> list[Change]:
    """What is true of a sum (or of what is left) as soon as both numbers are known."""
    return [
        (of, "first", f"begins with {a}"),
        (of, "second", f"ends with {b}"),
        (of, "total", f"is {c}"),
        (of, "size", "is above ten" if c > 10 else "is at most ten"),
        (of, "parity", "is odd" if c % 2 else "is even"),
    ]


class Board:
    """What is being worked out in a scene: the sum or the difference, one at a time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sum = Entity("sum", "sums")
        self._difference = Entity("difference", "differences")
        self._seen: set[tuple[int, int]] = set()

    def pair(self, minus: bool = False, least: int = 0) -> tuple[int, int]:
        """Two numbers for a new task, so that no answer can be copied from above."""
        while True:
            pair = (minus_pair if minus else sum_pair)(self._scene, least)
            if pair not in self._seen:
                self._seen.add(pair)
                return pair

    def add(self, a: int, b: int) -> list[Change]:
        """Begins a + b: what was known before is wiped off; returns what is true at its end."""
        self._wipe()
        return results(self._sum, a, b, a + b)

    def take(self, a: int, b: int) -> list[Change]:
        """Begins a - b likewise."""
        self._wipe()
        return results(self._difference, a, b, a - b)

    def _wipe(self) -> None:
        for entity in (self._sum, self._difference):
            for relation in list(entity.facts):
                self._scene.set(entity, relation, "")
