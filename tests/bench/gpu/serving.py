"""A gRPC server over the benchmark's model: `python -m tests.bench.gpu.serving CASE`."""

from __future__ import annotations

import asyncio
import os
import sys

from axon.v1 import inference_pb2 as pb
from axon_inference.config import Settings
from axon_inference.engine.requests import Served
from axon_inference.loading.ready import Loaded
from axon_inference.serving.service import Service

from .case import BOS, Case, runner, subject, tokenizer


def loaded(case: Case) -> Loaded:
    """The model of a case, as the service takes it."""
    made = subject(case)
    running = runner(case, made)
    running.warm_up()
    words = tokenizer(case)
    encode = words.backend_tokenizer.encode
    return Loaded(
        runner=running,
        reader=None,  # type: ignore[arg-type]  # nobody asks about a feature here
        tokenizer=words,
        eos_ids=frozenset(),
        served=Served(
            model="gpt2-shape",
            sources=tuple(source.id for source in made.sources),
            context_length=case.context,
            vocab_size=case.vocabulary,
            bos_id=BOS,
            encode=lambda text: encode(text).ids,
            piece=lambda number: f"w{number}",
        ),
        info=pb.ModelInfo(device=case.device, dtype=case.dtype),
        sources=[pb.Source(id=source.id) for source in made.sources],
        slots=max(case.streams),
        cache_bytes=running.cache.nbytes,
        prefill_tokens=512,
    )


async def serve(case: Case, port: int) -> None:
    """Serve until the process is ended."""
    settings = Settings(port=port, max_queue=max(case.streams))
    service = Service(settings, on_fatal=sys.exit, load=lambda _: loaded(case))
    await service.listen()
    await service.load()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Case.of_text(sys.argv[1]), int(os.environ["AXON_GRPC_PORT"])))
