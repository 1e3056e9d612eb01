"""`python -m axon_gateway labels SOURCE ...`: fetches labels ahead, into Redis or into files."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import RedisError
from tqdm import tqdm

from axon_gateway.config import Settings
from axon_gateway.labels import examples, files
from axon_gateway.labels.export import BulkExport, Exported, fingerprint
from axon_gateway.labels.http import Http, Unavailable
from axon_gateway.labels.records import KINDS, Records
from axon_gateway.labels.store import LabelStore


class Failed(Exception):
    """The labels could not be fetched, or not all; the text says why and what to do."""


def main(arguments: Sequence[str], settings: Settings) -> int:
    """Returns the exit code: 1 if not all labels of all sources are there."""
    parser = argparse.ArgumentParser(
        prog="python -m axon_gateway labels",
        description="Fetches the labels of sources from Neuronpedia's bulk export, into Redis "
        "(AXON_REDIS_URL), or into files for machines without internet (AXON_LABELS).",
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="model/source, as in gpt2-small/8-res-jb"
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write files into this folder")
    parser.add_argument(
        "--examples",
        action="store_true",
        help="also the texts in which each feature was active, which are far larger; with --to",
    )
    parsed = parser.parse_args(arguments)
    if parsed.examples and not parsed.to:
        parser.error("--examples needs --to: Redis has no room for them")
    kinds = (*KINDS, examples.KIND) if parsed.examples else KINDS
    if not settings.neuronpedia_export:
        print(
            "axon_gateway: AXON_NEURONPEDIA_EXPORT is empty; set it to an export's address",
            file=sys.stderr,
        )
        return 1
    ended_well = [
        asyncio.run(_fetch(settings, source.strip("/"), parsed.to, kinds))
        for source in parsed.sources
    ]
    return 0 if all(ended_well) else 1


async def _fetch(
    settings: Settings, source: str, folder: Path | None, kinds: Sequence[str]
) -> bool:
    """Fetches one source; prints the result and returns whether it succeeded."""
    http = Http()
    export = BulkExport(http, settings.neuronpedia_export)
    id_ = dict(settings.neuronpedia_ids).get(source, source)
    try:
        with Bar(source) as bar:
            if folder is not None:
                done = await _to_files(export, source, id_, folder, bar, kinds)
            else:
                done = await _to_redis(export, source, id_, settings.redis_url, bar)
    except Failed as error:
        print(f"axon_gateway: {source}: {error}", file=sys.stderr)
        return False
    finally:
        await http.close()
    print(f"{source}: {done}")
    return True


async def _to_redis(export: BulkExport, source: str, id_: str, url: str, bar: Bar) -> str:
    store = LabelStore(url)
    try:
        # Asked first, so that a missing Redis is noticed before minutes of fetching.
        await store.filling(source)
        exported = await export.read(id_, bar)
        _check(exported, bar)
        await store.fill(source, fingerprint(id_), exported.records)
    except RedisError as error:
        raise Failed(f"Redis at {url} does not answer (AXON_REDIS_URL): {error}") from None
    finally:
        await store.close()
    return f"{_count(exported)} labels are in Redis"


def _check(exported: Exported, bar: Bar) -> None:
    if exported.lasts is not None and exported.records:
        raise Failed("not all batches could be fetched; nothing has been changed. Try again")
    if not exported.records:
        raise Failed(_nothing(bar))


async def _to_files(
    export: BulkExport, source: str, id_: str, folder: Path, bar: Bar, kinds: Sequence[str]
) -> str:
    records, failed = Records(), 0
    try:
        async with contextlib.aclosing(export.walk(id_, bar, kinds)) as batches:
            async for kind, batch in batches:
                failed += batch.failed
                if not batch.failed:
                    files.write(folder, source, kind, batch.name, batch.raw)
                    if kind in KINDS:
                        records.add(kind, batch.lines)
    except Unavailable as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"{folder} cannot be written to: {error.strerror or error}") from None
    if failed:
        raise Failed(f"{failed} batches could not be fetched; the rest is in {folder}. Try again")
    if not records.by_index:
        raise Failed(_nothing(bar))
    return f"{_count(Exported(records.by_index, None))} labels are in {folder / source}"


def _count(exported: Exported) -> int:
    return sum(record.label is not None for record in exported.records.values())


def _nothing(bar: Bar) -> str:
    if bar.expected == 0:
        return (
            "Neuronpedia has no export of it. Is it written as in gpt2-small/8-res-jb? If so, its "
            "labels are asked for one by one, as they are needed"
        )
    return "nothing could be fetched; is this machine on a network?"


class Bar:
    """A progress bar on stderr."""

    def __init__(self, source: str) -> None:
        self.expected: int | None = None
        self._bar = tqdm(desc=source, unit=" batches", total=None, dynamic_ncols=True)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def expect(self, batches: int) -> None:
        """The export has `batches` batches."""
        self.expected = batches
        self._bar.reset(total=batches)

    def advance(self) -> None:
        """One more batch is here, or has failed for good."""
        self._bar.update()
