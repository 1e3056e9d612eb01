"""`make check-quality`: six checks of the server at AXON_URL, a line each. Exits 1 if one fails."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import aiohttp

from .checks import CHECKS, Check, Limits, Verdict
from .client import PATIENCE, Broken, Refused, connected

_DEFAULT = "http://127.0.0.1:8000"
#: Seconds that one check may take.
_MOST = 600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs all checks; returns the exit code."""
    arguments = _parse(argv)
    limits = Limits(arguments.first, arguments.rate, arguments.pause)
    url = os.environ.get("AXON_URL") or _DEFAULT
    good = [asyncio.run(_run(url, name, check, limits)) for name, check in CHECKS]
    print(f"{sum(good)} of {len(good)} checks are good: {url.partition('?')[0]}", flush=True)
    return 0 if all(good) else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make check-quality ARGS=...",
        description=f"Checks the server at AXON_URL (default: {_DEFAULT}). If the server needs an "
        "access token: AXON_URL=http://host:8000/?access=TOKEN",
    )
    fast = Limits()
    for name, default, about in (
        ("--first", fast.first, "maximum seconds to the first token"),
        ("--rate", fast.rate, "minimum tokens a second"),
        ("--pause", fast.pause, "maximum seconds between two tokens, 99th percentile"),
    ):
        parser.add_argument(name, type=float, default=default, help=f"{about} (%(default)s)")
    return parser.parse_args(argv)


async def _run(url: str, name: str, check: Check, limits: Limits) -> bool:
    """Runs one check on its own socket; prints its verdict and returns whether it is good."""
    try:
        async with asyncio.timeout(_MOST), connected(url) as client:
            verdict = await check(client, limits)
    except TimeoutError:
        verdict = Verdict(
            False, f"no frame came for {PATIENCE:g} s, or the check took over {_MOST:g} s"
        )
    except Refused as refused:
        verdict = Verdict(False, f"the server refused: {refused}")
    except (Broken, aiohttp.ClientError, OSError, ValueError) as error:
        verdict = Verdict(False, str(error) or type(error).__name__)
    print(f"{'ok    ' if verdict.good else 'FAILED'}  {name:<12} {verdict.measured}", flush=True)
    return verdict.good


if __name__ == "__main__":
    sys.exit(main())
