"""Results in a notebook: as tables, as matrices, as text shaded by features, and played.

`Result`, `Continuation` and `Explanation` have these as methods; `play` plays a recording or a
room. Tables and the player need `pip install axon-client[notebook]`.
"""

from axon.labels import read_labels
from axon.notebook.html import Html
from axon.notebook.player import play
from axon.notebook.tables import Rows

__all__ = ["Html", "Rows", "play", "read_labels"]
