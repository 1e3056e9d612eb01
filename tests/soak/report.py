"""The result of a soak: a JSON document, a table, and the reasons for a failure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .trial import LONGEST_RECOVERY, Outcome

#: Faults, none of which may ever occur, in the order of the report.
FAULTS = (
    "lost",
    "doubled",
    "reordered",
    "divergent",
    "unstarted",
    "steps",
    "unended",
    "behind",
)
_MOST_WORDS = 40


def document(outcome: Outcome) -> dict[str, Any]:
    """The whole result, as JSON."""
    faults: Counter[str] = Counter()
    for reader in outcome.readers:
        faults.update(reader.faults)
    plan, ledger, measures = outcome.plan, outcome.ledger, outcome.measures
    lags = sorted(measures.lags)
    back = [kill.back for kill in outcome.kills]
    tokens = [kill.tokens for kill in outcome.kills]
    return {
        "seconds": round(outcome.seconds),
        "viewers": plan.viewers,
        "generating": plan.generating,
        "kill_every_s": plan.every,
        "kills": dict(Counter(kill.name for kill in outcome.kills)),
        "reconnects": measures.reconnects,
        "restarts": sum(reader.restarts for reader in outcome.readers),
        "frames": measures.delivered,
        **{kind: faults[kind] for kind in FAULTS},
        "generations_begun": ledger.begun,
        "generations_ended": dict(ledger.ends),
        "refusals": dict(measures.refusals),
        "delivery_ms": {
            f"p{p}": round(lags[min(len(lags) - 1, len(lags) * p // 100)] * 1000, 1)
            for p in (50, 99)
            if lags
        },
        "back_s": _worst(back),
        "tokens_again_s": _worst(tokens),
        "untold_rooms": untold(outcome),
        "tracebacks": outcome.tracebacks,
    }


def untold(outcome: Outcome) -> int:
    """How many rooms, over all kills of Redis, told no viewer that the room waits."""
    return sum(len(k.rooms - k.told) for k in outcome.kills if k.name == "redis")


def failures(result: dict[str, Any]) -> list[str]:
    """The reasons why the soak failed; empty if it passed."""
    found = [f"{kind}: {result[kind]}" for kind in FAULTS if result[kind]]
    for name, said in (("back_s", "came back"), ("tokens_again_s", "was given tokens again")):
        if result["kills"] and result[name] is None:
            found.append(f"after a kill, not everybody {said} within {LONGEST_RECOVERY:.0f} s")
    if result["untold_rooms"]:
        found.append(f"rooms that did not say that they wait for Redis: {result['untold_rooms']}")
    if result["tracebacks"]:
        found.append(f"tracebacks in the logs of {', '.join(result['tracebacks'])}")
    return found


def words(outcome: Outcome) -> list[str]:
    """The first complaints, as text."""
    return [line for reader in outcome.readers for line in reader.words][:_MOST_WORDS]


def table(result: dict[str, Any]) -> str:
    """The main figures of the document as rows of a Markdown table."""
    rows: list[tuple[str, object]] = [
        ("viewers / generating", f"{result['viewers']} / {result['generating']}"),
        ("seconds", result["seconds"]),
        ("kills", _counts(result["kills"])),
        ("reconnects", result["reconnects"]),
        ("frames delivered", f"{result['frames']:,}"),
        ("lost / doubled / reordered", " / ".join(str(result[kind]) for kind in FAULTS[:3])),
        ("divergent", result["divergent"]),
        (
            "generations",
            f"{result['generations_begun']} begun; {_counts(result['generations_ended'])}",
        ),
        ("delivery p50 / p99", " / ".join(f"{v} ms" for v in result["delivery_ms"].values())),
        ("all sockets back after a kill", _at_most(result["back_s"])),
        ("tokens in all rooms after a kill", _at_most(result["tokens_again_s"])),
    ]
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _at_most(seconds: float | None) -> str:
    return (
        f"not always within {LONGEST_RECOVERY:.0f} s" if seconds is None else f"{seconds} s at most"
    )


def _worst(seconds: list[float | None]) -> float | None:
    """The longest; None if one of them never ended."""
    if not seconds or None in seconds:
        return None
    return round(max(second for second in seconds if second is not None), 2)
