"""Neuronpedia over HTTP: whole answers, decompressed.

Whoever asks gets Unavailable if there was no complete answer. Only "not found" means that there is
nothing.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

_AGENT = "axon-gateway (labels)"
#: Most bytes of one answer, as sent and decompressed: far more than any proper one has.
_MOST_SENT = 64 * 2**20
_MOST_INFLATED = 512 * 2**20
#: Seconds that an answer may ask to be waited for.
_LONGEST_WAIT = 3600.0


class Unavailable(Exception):
    """No answer; `retry_after` is in how many seconds to ask again, None if that is not known."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, received whole and decompressed."""

    status: int
    headers: Mapping[str, str]
    #: As sent.
    raw: bytes
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """The seconds that a Retry-After header names, as a number or as a date."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), _LONGEST_WAIT)
        # A date without a zone is not one of HTTP's; subtracting it is a TypeError.
        with suppress(ValueError, TypeError):
            left = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
            return min(max(left, 0.0), _LONGEST_WAIT)
        return None


class Http:
    """Answers of any status; Unavailable for anything that is not a whole answer."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, url: str, patience: aiohttp.ClientTimeout, method: str = "GET"
    ) -> Answer:
        """One answer. Redirects are followed."""
        try:
            async with self._open().request(method, url, timeout=patience) as response:
                raw = await _read(response)
                body = await asyncio.to_thread(inflate, raw)
                return Answer(response.status, response.headers, raw, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{url}: {error or type(error).__name__}") from None
        except zlib.error as error:
            raise Unavailable(f"{url}: damaged ({error})") from None

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
                # Files arrive as stored; `inflate` recognises a compressed one by its first bytes.
                auto_decompress=False,
                trust_env=True,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(2**16):
        content += chunk
        if len(content) > _MOST_SENT:
            raise aiohttp.ClientPayloadError(f"more than {_MOST_SENT} bytes")
    return bytes(content)


def inflate(raw: bytes) -> bytes:
    """The content of gzip, anything else as it is. zlib.error if it is damaged or cut off."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    content = bytearray()
    # A file may be several gzip members, one after the other.
    while raw.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        content += member.decompress(raw, _MOST_INFLATED)
        if not member.eof:
            raise zlib.error("cut off, or too long")
        raw = member.unused_data
    return bytes(content)
