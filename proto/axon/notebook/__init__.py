"""Results in a notebook: as tables, as matrices, as text shaded by features, and played.

`Result`, `Continuation` and `Explanation` have these as methods. `Player` plays a recording or a
room. All of it needs `pip install axon-client[notebook]`.
"""

from axon.notebook.html import Html
from axon.notebook.tables import Rows

__all__ = ["Html", "Rows"]
