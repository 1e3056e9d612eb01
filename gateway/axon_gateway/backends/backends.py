"""All inference services: several models side by side, and replicas of one.

One target may stand for many replicas (`dns:///name:port`, `ipv4:a:1,b:2`): gRPC balances among
those. Targets of one model that are listed one by one are balanced here, by open streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from axon.types import Model, Source

from axon_gateway.backends.upstream import PLAIN, Access, Upstream
from axon_gateway.errors import Refusal
from axon_gateway.tasks import Tasks, cancel

_log = logging.getLogger(__name__)

#: Called with a service's model when it comes up, unless it serves the same as before.
OnModel = Callable[[Model], object]
#: Called with a service each time it comes up: it may have been started again with other weights.
OnUp = Callable[[Upstream], object]


class Backends:
    """The services at `targets`, in the order of preference; `generation_timeout` is in seconds."""

    def __init__(
        self, targets: Sequence[str], generation_timeout: float, access: Access = PLAIN
    ) -> None:
        self.all = tuple(Upstream(target, generation_timeout, access) for target in targets)
        self._watching = Tasks()

    def watch(self, on_model: OnModel, on_up: OnUp) -> None:
        """Watches all services from now on, and calls `on_model` with their models."""
        for backend in self.all:
            self._watching.start(_watch(backend, on_model, on_up))

    async def unwatch(self) -> None:
        """Stops watching: `ready` stays as it is, and nothing is called again."""
        await cancel(self._watching)

    def choose(self, model: str | None, sources: Sequence[str] = ()) -> Upstream:
        """The service that runs a request: one with `model`, healthy if possible, and the fewest
        streams.

        Without `model`, it is the model of the first of `sources`, or else the default: that of
        the first service that has answered. Refusal if no service has the model.
        """
        name = model or self._model_of(sources) or self._default()
        if name is None:
            # No service has described itself yet. One that is connected is about to; the refusal
            # of one that is not says so.
            return min(self.all, key=lambda backend: not backend.ready)
        serving = [b for b in self.all if b.last_model is not None and b.last_model.model == name]
        if not serving:
            raise self._unknown(name)
        chosen = min(serving, key=lambda b: (not b.ready, b.streams, b.chosen))
        chosen.chosen += 1
        return chosen

    async def check(self) -> None:
        """Returns if some service is ready to generate; otherwise Refusal says why not."""
        results = await asyncio.gather(*(b.check() for b in self.all), return_exceptions=True)
        failures = [result for result in results if result is not None]
        if len(failures) == len(self.all):
            raise failures[0]

    async def model(self, name: str | None) -> Model:
        """A model with its present load, the default one without a name. Raises Refusal."""
        return await self.choose(name).model()

    def models(self) -> dict[str, bool]:
        """The models that services last described, and whether each is ready."""
        found: dict[str, bool] = {}
        for backend in self.all:
            if backend.last_model is not None:
                name = backend.last_model.model
                found[name] = found.get(name, False) or backend.ready
        return found

    async def source(self, id_: str) -> tuple[Upstream, Source]:
        """A source and a service that has it, ready if possible. Refusal if none has it."""
        if (found := self._find(id_)) is None:
            # Services may have restarted with other sources.
            results = await asyncio.gather(*(b.model() for b in self.all), return_exceptions=True)
            found = self._find(id_)
            failures = [result for result in results if isinstance(result, BaseException)]
            if found is None and len(failures) == len(self.all):
                raise failures[0]
        if found is None:
            raise Refusal("unknown_feature", f"{id_} is not a source served here", "source")
        return found

    def listed(self, source: str) -> bool:
        """Whether Neuronpedia shows a source."""
        found = self._find(source)
        return found is not None and bool(found[1].neuronpedia_url)

    async def close(self) -> None:
        """Ends every stream and all connections."""
        await self.unwatch()
        await asyncio.gather(*(backend.close() for backend in self.all))

    def _find(self, id_: str) -> tuple[Upstream, Source] | None:
        found = [
            (backend, source)
            for backend in self.all
            if backend.last_model is not None
            for source in backend.last_model.sources
            if source.id == id_
        ]
        return min(found, key=lambda pair: not pair[0].ready, default=None)

    def _model_of(self, sources: Sequence[str]) -> str | None:
        found = self._find(sources[0]) if sources else None
        return found[0].last_model.model if found and found[0].last_model else None

    def _default(self) -> str | None:
        return next((b.last_model.model for b in self.all if b.last_model is not None), None)

    def _unknown(self, name: str) -> Refusal:
        silent = [backend.target for backend in self.all if backend.last_model is None]
        if silent:
            message = f"no service has {name} yet; still waiting for {', '.join(silent)}"
            return Refusal("not_ready", message, "model")
        message = f"there is no model {name[:80]}; there are: {', '.join(self.models())}"
        return Refusal("unknown_model", message, "model")


async def _watch(backend: Upstream, on_model: OnModel, on_up: OnUp) -> None:
    logged = ""
    async for model in backend.watch():
        on_up(backend)
        serves = f"{model.model}: {', '.join(source.id for source in model.sources)}"
        if serves != logged:  # connections are renewed all the time
            _log.info("inference at %s serves %s", backend.target, serves)
            on_model(model)
            logged = serves
