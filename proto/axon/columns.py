"""Text on a terminal as it comes: of one branch in lines, of several side by side."""

from __future__ import annotations

from collections.abc import Sequence

from axon import terminal

#: Characters of a column; a longer token widens its line.
_WIDTH = 22


class Columns:
    """Prints the tokens of branches with these names.

    Several branches get a line a step, with `*` where their tokens differ. It is printed once each
    branch that goes on has got there.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._texts: list[list[str]] = [[] for _ in names]
        self._ended: set[int] = set()
        self._printed = 0
        self._headed = False
        #: Whether the last line goes on.
        self._within = False

    def add(self, branch: int, text: str, generated: bool) -> None:
        """One more token. The prompt is printed once, for all branches."""
        if len(self._names) > 1 and generated:
            self._texts[branch].append(text)
            self._print_lines()
        elif branch == 0:
            print(terminal.lines(text), end="", flush=True)
            self._within = not text.endswith("\n")

    def aside(self, line: str) -> None:
        """A line of its own, between tokens."""
        print("\n" * self._within + terminal.plain(line), flush=True)
        self._within = False

    def end(self, branch: int) -> None:
        """A branch has ended; its place stays empty."""
        self._ended.add(branch)
        self._print_lines()

    def close(self) -> None:
        """Prints what is left."""
        self._ended.update(range(len(self._names)))
        if len(self._names) == 1:
            print()
        else:
            self._print_lines()

    def _print_lines(self) -> None:
        while self._printed < self._reached():
            if not self._headed:
                print("\n")
                _print_line(" ", self._names)
                self._headed, self._within = True, False
            step = self._printed
            cells = [repr(texts[step]) if step < len(texts) else "" for texts in self._texts]
            _print_line("*" if len(set(cells)) > 1 else " ", cells)
            self._printed += 1

    def _reached(self) -> int:
        """How many steps all branches that go on have made."""
        going_on = [len(t) for n, t in enumerate(self._texts) if n not in self._ended]
        return min(going_on, default=max(map(len, self._texts)))


def _print_line(mark: str, cells: Sequence[str]) -> None:
    columns = " ".join(f"{terminal.plain(cell):{_WIDTH}}" for cell in cells)
    print(f"{mark} {columns}".rstrip(), flush=True)
