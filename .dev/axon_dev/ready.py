"""Wait until a gateway is ready to generate, and print what it is waiting for."""

import asyncio
import json
import urllib.error
import urllib.request

from axon_dev.console import say


async def wait(url: str) -> None:
    """Return when the gateway at `url` is ready; print each new reason why it is not ready."""
    told = ""
    while reason := await asyncio.to_thread(why_not, url):
        if reason != told:
            told = reason
            say(f"Waiting: {reason}")
        await asyncio.sleep(0.3)


def why_not(url: str) -> str | None:
    """The reason why the gateway at `url` is not ready; None when it is."""
    # This machine itself is never reached through a proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as answer:
        try:
            return str(json.load(answer)["message"])
        except (ValueError, KeyError, TypeError):
            return f"the gateway answers {answer.code}"
    except OSError:
        return "the gateway is starting"
