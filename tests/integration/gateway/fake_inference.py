"""An inference service without a model: it streams what a test scripts, over real gRPC.

`python -m tests.integration.gateway.fake_inference PORT [TOKENS] [SECONDS]` runs it as a process,
for tests that kill it. Each generation has TOKENS tokens, SECONDS apart.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ...ports import free_port, give_back

SERVICE = "axon.v1.InferenceService"
MODEL = "fake"
SOURCES = ("fake/0-res", "fake/1-res")
WIDTH = 64
MOST_BRANCHES = MOST_EDITS = 8


@dataclass
class Failure:
    """A status to end a call with, and its details."""

    code: grpc.StatusCode
    message: str
    field: str | None = None
    reason: str = ""
    retry_seconds: int | None = None

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The google.rpc details as gRPC trailers."""
        details = []
        if self.field is not None:
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=self.field, description=self.message, reason=self.reason
            )
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.retry_seconds is not None:
            delay = Duration(seconds=self.retry_seconds)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        return (("grpc-status-details-bin", status.SerializeToString()),)


@dataclass
class Script:
    """What the next generations do."""

    prompt: tuple[str, ...] = ("<bos>", "The", " capital")
    tokens: tuple[str, ...] = (" of", " France", " is", " Paris")
    #: Seconds before each generated token.
    delay: float = 0.0
    #: What the start and each message of generated tokens wait for, if a test lets them come.
    turns: asyncio.Semaphore | None = None
    #: Positions announced before the start.
    queue: tuple[int, ...] = ()
    #: Ends the call before the first event.
    refusal: Failure | None = None
    #: Ends the call after all tokens, instead of `finished`.
    failure: Failure | None = None
    #: Whether the stream ends without `finished`.
    cut_off: bool = False
    #: Generated tokens per message.
    per_message: int = 1
    #: Seconds that the stream stays open after `finished`.
    linger: float = 0.0
    #: Of branches that end early: how many tokens they generate.
    ends: dict[int, int] = field(default_factory=dict)
    #: Whether it is of an earlier version, which does not see branches.
    old: bool = False
    #: Whether the summary of an explanation never comes.
    unexplained: bool = False
    #: Why it ends.
    reason: pb.FinishReason.ValueType = pb.FINISH_REASON_LENGTH
    #: Whether there was no room to explain generated tokens.
    missed: bool = False


@dataclass
class Seen:
    """What the service has received."""

    requests: list[pb.GenerateRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    features: list[pb.GetFeatureRequest] = field(default_factory=list)
    edits: list[pb.EditRequest] = field(default_factory=list)
    explained: list[pb.ExplainRequest] = field(default_factory=list)
    #: Explanations under way, and those that were cancelled.
    explaining: int = 0
    explanations_cancelled: int = 0
    running: int = 0
    most_at_once: int = 0
    cancelled: int = 0


@dataclass
class Run:
    """One running generation: the edits in force, and those that come with the next step."""

    branches: list[pb.Branch]
    prompt_tokens: int
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    steps: int = 0
    ended: set[int] = field(default_factory=set)
    waiting: list[tuple[pb.EditRequest, asyncio.Future[int]]] = field(default_factory=list)

    @classmethod
    def of(cls, request: pb.GenerateRequest, prompt_tokens: int, seed: int) -> Run:
        branches = []
        for number, asked in enumerate(request.branches or [pb.Branch()]):
            branch = pb.Branch(name=str(number + 1), seed=seed)
            branch.MergeFrom(asked)
            resolve(branch.edits)
            branches.append(branch)
        return cls(branches, prompt_tokens)

    def change(self) -> list[pb.GenerateResponse]:
        """Puts into force what waits, and reports it."""
        events = []
        for request, answer in self.waiting:
            del self.branches[request.branch].edits[:]
            self.branches[request.branch].edits.extend(request.edits)
            resolve(self.branches[request.branch].edits)
            position = self.prompt_tokens + self.steps
            edited = pb.Edited(branch=request.branch, position=position, edits=request.edits)
            resolve(edited.edits)
            events.append(pb.GenerateResponse(edited=edited))
            if not answer.done():
                answer.set_result(position)
        self.waiting.clear()
        return events


def resolve(edits: Iterable[pb.FeatureEdit]) -> None:
    """Fills in where each edit applies."""
    for edit in edits:
        if edit.where == pb.EDIT_WHERE_UNSPECIFIED:
            adds = edit.HasField("add")
            edit.where = pb.EDIT_WHERE_EVERYWHERE if adds else pb.EDIT_WHERE_WHILE_FIRING


class FakeInference(stubs.InferenceServiceServicer):
    """The servicer and its server; the sources are `{name}/0-res` and `{name}/1-res`."""

    def __init__(self, script: Script | None = None, name: str = MODEL) -> None:
        self.name = name
        self.script = script or Script()
        self.seen = Seen()
        self.waits_for = ""  # while set, GetModel answers UNAVAILABLE with it
        self.not_editable: dict[str, str] = {}  # why a source is not
        self.chat = False  # whether it has a chat template
        self.edits_hang = False  # whether Edit never answers
        self.runs: dict[str, Run] = {}
        self.map: list[pb.GetMapResponse] = []  # what GetMap answers
        self.no_map: Failure | None = None  # why it does not
        self.map_goes_on: asyncio.Event | None = None  # when what `map` had at first is not all
        self.port = 0
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(
        self, port: int | None = None, secure: grpc.ServerCredentials | None = None
    ) -> FakeInference:
        """Listens; without a port on one that stays its own while it is stopped."""
        port = port or self.port or free_port()
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                # As in the real service: gateways may send keepalive pings while idle.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            )
        )
        stubs.add_InferenceServiceServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        address = f"127.0.0.1:{port}"
        self.port = (
            self._server.add_secure_port(address, secure)
            if secure
            else self._server.add_insecure_port(address)
        )
        await self.serving(True)
        await self._server.start()
        return self

    async def serving(self, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        await self._health.set(SERVICE, states.SERVING if serving else states.NOT_SERVING)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def __aenter__(self) -> FakeInference:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.stop()
        give_back(self.port)

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        seen, script = self.seen, self.script
        seen.requests.append(request)
        seen.metadata.append(dict(context.invocation_metadata()))
        seen.running += 1
        seen.most_at_once = max(seen.most_at_once, seen.running)
        try:
            if script.refusal:
                await _abort(context, script.refusal)
            for number, branch in enumerate(request.branches):
                await self._check(context, branch.edits, f"branches[{number}].edits")
            if len(request.branches) > MOST_BRANCHES:
                why = f"has {len(request.branches)} branches; it may have {MOST_BRANCHES}"
                await _abort(context, _bad("branches", why))
            await context.send_initial_metadata((("axon-server", f"fake:{self.port}"),))
            sampling = defaults()[0]
            sampling.MergeFrom(request.sampling)
            run = Run.of(request, len(script.prompt), sampling.seed or SEED)
            self.runs[run.id] = run
            try:
                async for response in _play(script, request, self.name, run):
                    yield response
            finally:
                del self.runs[run.id]
                for _, answer in run.waiting:
                    answer.cancel()
            await asyncio.sleep(script.linger)
            if script.failure:
                await _abort(context, script.failure)
        except (asyncio.CancelledError, GeneratorExit):
            seen.cancelled += 1
            raise
        finally:
            seen.running -= 1

    async def GetMap(
        self, request: pb.GetMapRequest, context: Any
    ) -> AsyncIterator[pb.GetMapResponse]:
        if self.no_map:
            await _abort(context, self.no_map)
        parts = list(self.map)
        for part in parts:
            yield part
        if self.map_goes_on:
            await self.map_goes_on.wait()
            for part in self.map[len(parts) :]:
                yield part

    async def Edit(self, request: pb.EditRequest, context: Any) -> pb.EditResponse:
        run = self.runs.get(request.generation)
        if run is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such generation runs here")
            raise AssertionError  # abort raises
        self.seen.edits.append(request)
        if self.edits_hang:
            await asyncio.Event().wait()
        if request.branch >= len(run.branches):
            await _abort(context, _bad("branch", f"must be below {len(run.branches)}"))
        await self._check(context, request.edits, "edits")
        answer = asyncio.get_running_loop().create_future()
        run.waiting.append((request, answer))
        await asyncio.wait([answer])
        if answer.cancelled():
            await context.abort(grpc.StatusCode.NOT_FOUND, "the generation has ended")
        return pb.EditResponse(position=answer.result())

    async def _check(self, context: Any, edits: Iterable[pb.FeatureEdit], path: str) -> None:
        """Ends the call if an edit cannot be made."""
        edits = list(edits)
        if len(edits) > MOST_EDITS:
            await _abort(context, _bad(path, f"has {len(edits)} edits; it may have {MOST_EDITS}"))
        for number, edit in enumerate(edits):
            field = f"{path}[{number}].source"
            if edit.source not in sources_of(self.name):
                await _abort(context, _bad(field, "is not served here", "UNKNOWN_SOURCE"))
            if why := self.not_editable.get(edit.source):
                await _abort(context, _bad(field, f"cannot be edited: {why}", "NOT_EDITABLE"))
            for name, value in (("feature", edit.feature), ("swap_with", edit.swap_with)):
                if value >= WIDTH:
                    why = f"is {value}; it must be 0 to {WIDTH - 1}"
                    await _abort(context, _bad(f"{path}[{number}].{name}", why, "OUT_OF_RANGE"))

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        if self.waits_for:
            await context.abort(grpc.StatusCode.UNAVAILABLE, self.waits_for)
        answer = model(self.name)
        answer.info.chat = self.chat
        for source in answer.sources:
            source.not_editable = self.not_editable.get(source.id, "")
        return answer

    async def GetFeature(
        self, request: pb.GetFeatureRequest, context: Any
    ) -> pb.GetFeatureResponse:
        if self.script.refusal:
            await _abort(context, self.script.refusal)
        self.seen.features.append(request)
        return pb.GetFeatureResponse(
            promoted=[pb.TokenEffect(token_id=5, text=" Paris", logit=1.5)],
            suppressed=[pb.TokenEffect(token_id=6, text=" x", logit=-0.5)],
            neighbors=[pb.FeatureNeighbor(index=request.index + 1, cosine=0.25)],
            kin=[
                pb.Kin(source=source, feature=request.index, cosine=0.5, mutual=True)
                for source in sources_of(self.name)
                if source != request.source
            ],
            examples=[pb.FeatureExample(tokens=["The", " capital"], activations=[0.0, 2.5])],
        )

    async def Explain(
        self, request: pb.ExplainRequest, context: Any
    ) -> AsyncIterator[pb.ExplainResponse]:
        seen, script = self.seen, self.script
        seen.explained.append(request)
        seen.explaining += 1
        try:
            if script.refusal:
                await _abort(context, script.refusal)
            sources = tuple(request.options.sources) or sources_of(self.name)
            for number, source in enumerate(request.options.sources):
                if source not in sources_of(self.name):
                    field = f"options.sources[{number}]"
                    await _abort(context, _bad(field, "is not served here", "UNKNOWN_SOURCE"))
            if request.target.text == "two tokens":
                await _abort(context, _bad("target.text", "must be exactly one token"))
            await self._check(context, request.edits, "edits")
            for response in explanation(request, script, self.name, sources):
                if response.HasField("summary"):
                    if script.unexplained:
                        await asyncio.Event().wait()
                    if script.failure:
                        await _abort(context, script.failure)
                yield response
        except (asyncio.CancelledError, GeneratorExit):
            seen.explanations_cancelled += 1
            raise
        finally:
            seen.explaining -= 1


def effects_at(position: int, sources: Sequence[str]) -> list[pb.Effect]:
    """The fake's effects on the token at a position, the strongest first: of the features of each
    position before it, each half as strong as that of the position after it."""
    found = [
        pb.Effect(
            position=before,
            source=number,
            feature=feature,
            activation=activation,
            logprob=-(2.0 ** (before - position)) * activation,
            logit=-(2.0 ** (1 + before - position)) * activation,
        )
        for before in range(1, position)
        for number in range(len(sources))
        for feature, activation in features_at(before, number)
    ]
    return sorted(found, key=lambda effect: effect.logprob)


#: A correlation that no other number here is.
AGREEMENT = pb.Agreement(pearson=0.40625, top_5=0.6)


def explanation(
    request: pb.ExplainRequest, script: Script, name: str, sources: Sequence[str]
) -> Iterable[pb.ExplainResponse]:
    """The fake's answer why a token came."""
    ids = list(request.token_ids) or list(range(len(script.prompt)))
    position = request.position if request.HasField("position") else len(ids)
    tokens = [
        pb.Token(position=n, token_id=id_, text=(*script.prompt, *script.tokens)[n])
        for n, id_ in enumerate(ids[:position])
    ]
    effects = effects_at(position, sources)
    tried = effects[: request.options.limit or 64]
    target = pb.Alternative(token_id=7, text=request.target.text or " Paris", logprob=-0.5)
    rival = pb.Alternative(token_id=8, text=request.rival.text or " London", logprob=-1.5)
    yield pb.ExplainResponse(
        started=pb.ExplainStarted(
            model=name,
            sources=sources,
            tokens=tokens,
            position=position,
            target=target,
            rival=rival,
            logit=1.0,
            active=len(effects),
            tried=len(tried),
        )
    )
    for first in range(0, len(tried), 4):
        group = list(reversed(tried))[first : first + 4]
        yield pb.ExplainResponse(effects=pb.Effects(effects=group))
    if request.HasField("path"):
        yield pb.ExplainResponse(
            path=pb.Path(
                removal=request.path,
                source=sources_of(name)[1],
                effects=[
                    pb.PathEffect(position=2, feature=request.path.feature + 1, before=2.5, after=1)
                ],
            )
        )
    yield pb.ExplainResponse(
        summary=pb.ExplainSummary(
            active=len(effects),
            tried=len(tried),
            agreement=AGREEMENT,
            effects=tried,
            elapsed_ns=12_500_000,
        )
    )


def _effects_of(token: pb.Token, script: Script, request: pb.GenerateRequest) -> pb.TokenEffects:
    """The causes of a generated token."""
    told = pb.TokenEffects(branch=token.branch, position=token.position)
    if script.missed:
        return told
    started = tuple(request.features.sources) or SOURCES
    asked = [started.index(one) for one in request.explain.sources] or range(len(started))
    effects = [one for one in effects_at(token.position, started) if one.source in asked]
    tried = effects[: request.explain.limit or 64]
    told.rival.CopyFrom(pb.Alternative(token_id=8, text=" London", logprob=-1.5))
    told.summary.CopyFrom(
        pb.ExplainSummary(
            active=len(effects), tried=len(tried), agreement=AGREEMENT, effects=tried, elapsed_ns=1
        )
    )
    return told


async def _abort(context: Any, failure: Failure) -> None:
    await context.abort(failure.code, failure.message, failure.trailers())


def _bad(field: str, why: str, reason: str = "OUT_OF_RANGE") -> Failure:
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, f"{field} {why}", field, reason)


async def _play(
    script: Script, request: pb.GenerateRequest, name: str, run: Run
) -> AsyncIterator[pb.GenerateResponse]:
    for position in script.queue:
        yield pb.GenerateResponse(queued=pb.Queued(position=position))
        await asyncio.sleep(script.delay)
    if script.turns:
        await script.turns.acquire()
    sources = tuple(request.features.sources) or sources_of(name)
    yield pb.GenerateResponse(started=_started(script, request, name, sources, run))
    asked = request.alternatives if request.HasField("alternatives") else None
    for number, branch in enumerate(run.branches):
        prompt = [
            _token(position, text, False, sources, number, branch.edits, asked)
            for position, text in enumerate(script.prompt)
        ]
        yield pb.GenerateResponse(tokens=pb.Tokens(tokens=prompt))
    asks_for_none = request.HasField("max_tokens") and request.max_tokens == 0
    steps = () if asks_for_none else script.tokens
    for first in range(0, len(steps), script.per_message):
        await asyncio.sleep(script.delay)
        if script.turns:
            await script.turns.acquire()
        for event in run.change():
            yield event
        some = []
        for text in steps[first : first + script.per_message]:
            some += _step(run, text, script, sources, asked)
        if some:
            yield pb.GenerateResponse(tokens=pb.Tokens(tokens=some))
        if request.HasField("explain"):
            for token in some:
                yield pb.GenerateResponse(token_effects=_effects_of(token, script, request))
        for number, most in script.ends.items():
            if number not in run.ended and run.steps >= most and number < len(run.branches):
                run.ended.add(number)
                yield pb.GenerateResponse(
                    branch_ended=pb.BranchEnded(
                        branch=number, reason=pb.FINISH_REASON_STOP, generated_tokens=most
                    )
                )
    if not (script.failure or script.cut_off):
        branches = range(len(run.branches))
        finished = pb.Finished(
            reason=script.reason,
            prompt_tokens=len(script.prompt),
            generated_tokens=sum(min(run.steps, script.ends.get(n, run.steps)) for n in branches),
            timings=pb.Timings(queue_ns=1, prefill_ns=2, decode_ns=3),
        )
        yield pb.GenerateResponse(finished=finished)


def _step(
    run: Run, text: str, script: Script, sources: Iterable[str], asked: int | None
) -> list[pb.Token]:
    """A token of each branch that goes on; one with edits in force says another one."""
    position = run.prompt_tokens + run.steps
    run.steps += 1
    return [
        _token(
            position,
            f"{text}~" if branch.edits else text,
            True,
            sources,
            number,
            branch.edits,
            asked,
        )
        for number, branch in enumerate(run.branches)
        if run.steps <= script.ends.get(number, run.steps)
    ]


SEED = 2**63 + 1


def _started(
    script: Script, request: pb.GenerateRequest, name: str, sources: Iterable[str], run: Run
) -> pb.Started:
    sampling, features = defaults()
    sampling.seed = SEED
    sampling.MergeFrom(request.sampling)
    features.MergeFrom(request.features)
    return pb.Started(
        model=name,
        sources=sources,
        sampling=sampling,
        features=features,
        max_tokens=len(script.tokens),
        prompt_tokens=len(script.prompt),
        generation="" if script.old else run.id,
        branches=[] if script.old else run.branches,
        pace=request.pace,
        alternatives=request.alternatives if request.HasField("alternatives") else None,
    )


def features_at(position: int, source: int) -> list[tuple[int, float]]:
    """The fake's features at a position as (id, activation), strongest first."""
    if position == 0:
        return []
    return [((position * 7 + source + rank) % WIDTH, 3.0 - rank) for rank in range(2)]


def _edited_at(
    position: int, source: int, name: str, edits: Iterable[pb.FeatureEdit]
) -> tuple[list[tuple[int, float]], list[pb.EditedFeature]]:
    """The features of `features_at` after edits, and what the edits changed."""
    before = dict(features_at(position, source))
    after = dict(before)
    for edit in edits:
        firing = before.get(edit.feature, 0.0) > 0
        if edit.source != name or not (firing or edit.where == pb.EDIT_WHERE_EVERYWHERE):
            continue
        a = before.get(edit.feature, 0.0)
        values = {"set": edit.set, "scale": edit.scale * a, "add": a + edit.add, "swap_with": 0.0}
        after[edit.feature] = values[edit.WhichOneof("change") or "set"]
        if edit.HasField("swap_with"):
            after[edit.swap_with] = before.get(edit.swap_with, 0.0) + a
    changed = [
        pb.EditedFeature(feature=id_, before=before.get(id_, 0.0), after=value)
        for id_, value in after.items()
        if value != before.get(id_, 0.0)
    ]
    shown = [(id_, value) for id_, value in after.items() if value > 0]
    return sorted(shown, key=lambda pair: -pair[1]), changed


def _token(
    position: int,
    text: str,
    generated: bool,
    sources: Iterable[str],
    branch: int = 0,
    edits: Iterable[pb.FeatureEdit] = (),
    alternatives: int | None = None,
) -> pb.Token:
    found = []
    for number, name in enumerate(sources):
        features, changed = _edited_at(position, number, name, edits)
        if position > 0:
            found.append(
                pb.SourceFeatures(
                    source=number,
                    ids=[id_ for id_, _ in features],
                    activations=[activation for _, activation in features],
                    l0=2,
                    reconstruction_error=0.01,
                    edited=changed,
                )
            )
    scored = generated or (alternatives is not None and position > 0)
    return pb.Token(
        position=position,
        token_id=position,
        text=text,
        origin=pb.TOKEN_ORIGIN_GENERATED if generated else pb.TOKEN_ORIGIN_PROMPT,
        logprob=-0.5 if scored else None,
        source_features=found,
        branch=branch,
        alternatives=[
            pb.Alternative(token_id=position + 1 + rank, text=f" a{rank}", logprob=-0.5 - rank)
            for rank in range(alternatives or 0)
        ],
    )


def defaults() -> tuple[pb.SamplingOptions, pb.FeatureOptions]:
    """The default knobs."""
    sampling = pb.SamplingOptions(temperature=0.8, top_k=0, top_p=1, repetition_penalty=1)
    return sampling, pb.FeatureOptions(top_k=15, threshold=0, include_bos=False)


def sources_of(name: str) -> tuple[str, ...]:
    """The sources of the fake with this name."""
    return tuple(source.replace(MODEL, name) for source in SOURCES)


def model(name: str = MODEL) -> pb.GetModelResponse:
    """The fake's description of itself."""
    sampling, features = defaults()
    return pb.GetModelResponse(
        model=name,
        sources=[
            pb.Source(
                id=id_,
                hook_name=f"blocks.{layer}.hook_resid_post",
                layer=layer,
                width=WIDTH,
                architecture="topk",
                neuronpedia_url="" if layer else "https://neuronpedia.example/fake/0-res",
            )
            for layer, id_ in enumerate(sources_of(name))
        ],
        limits=pb.Limits(
            context_length=128,
            max_prompt_characters=512,
            max_features=64,
            slots=4,
            max_queue=8,
            max_branches=MOST_BRANCHES,
            max_edits=MOST_EDITS,
            max_alternatives=20,
            max_removals=256,
        ),
        defaults=pb.Defaults(max_tokens=60, sampling=sampling, features=features),
        load=pb.Load(running=1, queued=0),
        info=pb.ModelInfo(n_layers=2, d_model=8, vocab_size=100, device="cpu", dtype="float32"),
    )


async def _serve(port: int, tokens: int = 1000, delay: float = 0.05) -> None:
    script = Script(tokens=tuple(f" {port}:{i}" for i in range(tokens)), delay=delay)
    await FakeInference(script).start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:3]), *map(float, sys.argv[3:])))
