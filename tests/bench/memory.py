"""The memory of a serving process, measured in a fresh process.

`python -m tests.bench.memory growth 10000` and `python -m tests.bench.memory held`
each print one JSON object.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from . import subject
from .subject import ROOT

_SLOTS = 16
_WARM = 1000
_CONTEXT = 128


def measure(*arguments: str) -> dict[str, float]:
    """Run this module in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(requests: int) -> dict[str, float]:
    """Run short requests through an engine with the bundled model, `_SLOTS` at a time."""
    from axon_inference.config import Settings
    from axon_inference.engine.engine import Engine
    from axon_inference.engine.events import Finished
    from axon_inference.engine.requests import Features, Request, Sampling
    from axon_inference.engine.scheduler import Scheduler
    from axon_inference.loading import ready

    loaded = ready.load(Settings(slots=_SLOTS, device="cpu"))
    finished: deque[int] = deque()

    def publish(events: list[tuple[int, Any]]) -> None:
        finished.extend(number for number, event in events if isinstance(event, Finished))

    scheduler = Scheduler(_SLOTS, _SLOTS, 256)
    engine = Engine(loaded.runner, loaded.tokenizer, scheduler, loaded.eos_ids, publish)

    def serve(count: int) -> None:
        for number in range(count):
            # Lengths, seeds and knobs differ, as those of real requests do.
            ids = [loaded.served.bos_id or 0, *(7 + (number * k) % 900 for k in range(number % 9))]
            sampling = Sampling(temperature=number % 2, top_p=0.9, seed=number)
            features = Features(sources=(number % len(loaded.sources),))
            engine.submit(Request(tuple(ids), 1 + number % 5, sampling, features, has_bos=True))
            while sum(engine.progress()) >= 2 * _SLOTS:
                engine.step()
        while sum(engine.progress()):
            engine.step()

    serve(min(_WARM, requests))
    before, already = _resident(), len(finished)
    serve(requests)
    if len(finished) - already != requests:
        raise RuntimeError("some requests did not finish")
    after = _resident()
    return {"before_mb": before / 1e6, "after_mb": after / 1e6, "growth_mb": (after - before) / 1e6}


def held() -> dict[str, float]:
    """Load the benchmark's model with a cache small enough to fill in seconds, and fill it."""
    from axon_inference.config import Settings
    from axon_inference.loading import ready

    from .bandwidth import weights_held
    from .ours import Ours

    made = subject.prepare()
    # First load the bundled model, to measure the imports: it is small itself.
    ready.load(Settings(slots=1, device="cpu"))
    bare = _resident()
    ours = Ours(made, device="cpu", slots=_SLOTS, context=_CONTEXT)
    ids = [index % 1000 for index in range(_CONTEXT - 8)]
    ours.run([ours.request(ids, 8) for _ in range(_SLOTS)])
    info = ours.loaded.info
    cache = 2 * 4 * info.n_layers * info.d_model * _CONTEXT * _SLOTS
    weights = weights_held(made)
    serving = _resident()
    return {
        "resident_mb": serving / 1e6,
        "imports_mb": bare / 1e6,
        "weights_mb": weights / 1e6,
        "cache_mb": cache / 1e6,
        "ratio": (serving - bare) / (weights + cache),
    }


def _resident() -> int:
    """Resident memory of this process in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(json.dumps(growth(int(sys.argv[2])) if sys.argv[1] == "growth" else held()))
