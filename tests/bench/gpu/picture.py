"""The picture of a result: tokens a second, the timelines of a step, and what failed."""

from __future__ import annotations

from html import escape
from typing import Any

_WIDTH, _LEFT, _ROW = 1100, 190, 22
_COLOURS = {"engine": "#3366aa", "gRPC client": "#88aadd"}
_COPY, _KERNEL, _FAILED = "#cc7700", "#3366aa", "#bb2222"


def draw(results: dict[str, Any]) -> str:
    """An SVG."""
    drawing = _Drawing()
    about = results["machine"]
    gpu = about.get("driver") or about.get("gpu") or "no GPU"
    drawing.line(f"Axon on {gpu}", size=18)
    drawing.line(f"torch {about['torch']}, commit {about['commit']}, {about['date']}")
    if about["rehearsal"]:
        drawing.line("A rehearsal with tiny sizes. Its numbers mean nothing.", colour=_FAILED)
    cases = results["cases"]
    _rates(drawing, cases)
    for name, case in cases.items():
        for streams, timeline in case["found"].get("timelines", {}).items():
            _timeline(drawing, f"{name}, {streams} streams", timeline)
    failures = [
        (name, *failed) for name, case in cases.items() for failed in case["failed"].items()
    ]
    if failures:
        drawing.line("Failed", size=15, colour=_FAILED)
    for name, part, why in failures:
        drawing.line(f"{name}: {part}: {why}"[:170], colour=_FAILED)
    return drawing.svg()


class _Drawing:
    """Lines below one another."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.y = 10.0

    def line(self, text: str, *, size: int = 12, colour: str = "#222222") -> None:
        self.y += size + 8
        self.text(10, text, size=size, colour=colour)

    def text(self, x: float, text: str, *, size: int = 12, colour: str = "#222222") -> None:
        self._parts.append(
            f'<text x="{x:.1f}" y="{self.y:.1f}" font-size="{size}" fill="{colour}">'
            f"{escape(text)}</text>"
        )

    def bar(self, x: float, width: float, colour: str, *, height: float = 14) -> None:
        self._parts.append(
            f'<rect x="{x:.2f}" y="{self.y - 11:.1f}" width="{max(width, 0.3):.2f}" '
            f'height="{height}" fill="{colour}"/>'
        )

    def svg(self) -> str:
        height = self.y + 20
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
            'font-family="sans-serif">\n'
            f'<rect width="{_WIDTH}" height="{height:.0f}" fill="white"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def _rates(drawing: _Drawing, cases: dict[str, Any]) -> None:
    """One bar for each case, number of streams, and place; a panel for each number of streams."""
    rates = [
        (streams, f"{name}, {place}", place, found["value"])
        for name, case in cases.items()
        for place, part in (("engine", "tokens_per_s"), ("gRPC client", "grpc"))
        for streams, found in case["found"].get(part, {}).items()
    ]
    for streams in dict.fromkeys(streams for streams, *_ in rates):
        drawing.line(f"Tokens a second, {streams} streams", size=15)
        panel = [rate for rate in rates if rate[0] == streams]
        most = max(value for *_, value in panel)
        for _, name, place, value in panel:
            drawing.y += _ROW
            drawing.text(10, name)
            width = (_WIDTH - _LEFT - 120) * value / most
            drawing.bar(_LEFT + 30, width, _COLOURS[place])
            drawing.text(_LEFT + 36 + width, f"{value:,.0f}")


def _timeline(drawing: _Drawing, title: str, found: dict[str, Any]) -> None:
    """Each kernel and copy at its time in the step; what is white is a gap."""
    drawing.line(
        f"One step of {title}: {found['step_us']:,.0f} µs, {found['busy_us']:,.0f} µs busy; "
        f"{found['kernels']} kernels, {found['copies']} copies (orange)",
        size=13,
    )
    drawing.y += _ROW
    scale = (_WIDTH - 20) / found["step_us"]
    drawing.bar(10, _WIDTH - 20, "#eeeeee", height=20)
    for start, took, kind, _ in found["events"]:
        colour = _COPY if kind.startswith("gpu_mem") else _KERNEL
        drawing.bar(10 + start * scale, took * scale, colour, height=20)
    for longest in found["longest"][:5]:
        drawing.line(
            f"{longest['us']:,.0f} µs in {longest['calls']} calls: {longest['name'][:120]}"
        )
