"""Stories of a few sentences, and questions about them."""

from demo_model.world.belongings import give_and_take, put_away
from demo_model.world.scene import Writes
from demo_model.world.whereabouts import carry, hide_and_seek, meeting, search

SCENES: tuple[Writes, ...] = (
    *(hide_and_seek,) * 4, *(give_and_take,) * 5, *(put_away,) * 2, *(carry,) * 2, search, meeting,
)  # fmt: skip
