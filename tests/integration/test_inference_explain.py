"""Explain over gRPC, with a fake model: by stub, by client and by command."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import axon
import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.engine.explanations import MAX_WAITING

from ..unit.client.test_cli import axon as command
from .rig import Rig, serving
from .test_inference_grpc import collect, refusal, violations

SOURCE = "fake/0-res"
#: It keeps its slot for longer than any test takes.
LONG = pb.GenerateRequest(prompt="a", max_tokens=300, pace=10)


def ask(**fields: Any) -> pb.ExplainRequest:
    return pb.ExplainRequest(**{"prompt": "aXbX", **fields})


async def test_all_of_an_explanation(rig: Rig) -> None:
    first, *middle, last = await collect(rig.stub.Explain(ask()))
    started, summary = first.started, last.summary
    assert (started.model, list(started.sources)) == ("fake", [SOURCE])
    assert [token.text for token in started.tokens] == ["\x02", "a", "X", "b", "X"]
    assert [token.position for token in started.tokens] == [0, 1, 2, 3, 4]
    assert {token.origin for token in started.tokens} == {pb.TOKEN_ORIGIN_PROMPT}
    assert started.position == 5
    assert started.target == pb.Alternative(token_id=7, text="\x07", logprob=-1)
    assert started.rival == pb.Alternative(token_id=8, text="\x08", logprob=-2)
    assert (started.logit, started.active, started.tried) == (1, 4, 4)
    told = [one for message in middle for one in message.effects.effects]
    assert sorted(map(str, told)) == sorted(map(str, summary.effects))
    both = [one for one in summary.effects if one.feature == ord("X")]
    assert [one.HasField("position") for one in both] == [False, True, True]
    assert [(one.position, one.activation, one.logprob) for one in both[1:]] == [
        (4, 5, -5),
        (2, 3, -3),
    ]
    assert (both[0].activation, both[0].logprob, both[0].logit) == (5, -8, -8)
    assert (summary.active, summary.tried, summary.agreement.top_5) == (4, 4, 1)
    assert summary.elapsed_ns > 0


async def test_tokens_of_a_text_up_to_a_position(rig: Rig) -> None:
    ids = [2, *b"abc"]
    request = pb.ExplainRequest(token_ids=ids, position=3, prompt_tokens=2)
    first, *_, last = await collect(rig.stub.Explain(request))
    assert [token.token_id for token in first.started.tokens] == ids[:3]
    assert [token.origin for token in first.started.tokens] == [1, 1, 2]
    assert first.started.target == pb.Alternative(token_id=ord("c"), text="c", logprob=-3)
    assert first.started.rival.token_id == 7
    assert last.summary.active == 2  # none at the BOS


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ExplainRequest(), {"prompt"}),
        (ask(token_ids=[1]), {"token_ids"}),
        (pb.ExplainRequest(token_ids=[1] * 401), {"token_ids"}),
        (pb.ExplainRequest(token_ids=[128]), {"token_ids"}),
        (ask(position=0), {"position"}),
        (ask(position=6), {"position"}),
        (ask(prompt_tokens=6), {"prompt_tokens"}),
        (ask(target=pb.TokenChoice(token_id=128)), {"target.token_id"}),
        (ask(target=pb.TokenChoice(text="two")), {"target.text"}),
        (ask(target=pb.TokenChoice(text="")), {"target.text"}),
        (ask(rival=pb.TokenChoice(text="ü")), {"rival.text"}),
        (ask(target=pb.TokenChoice(text="a"), rival=pb.TokenChoice(token_id=97)), {"rival"}),
        (ask(options=pb.ExplainOptions(limit=0)), {"options.limit"}),
        (ask(options=pb.ExplainOptions(limit=1025)), {"options.limit"}),
        (ask(options=pb.ExplainOptions(sources=["x"])), {"options.sources"}),
        (ask(edits=[pb.FeatureEdit(source=SOURCE)]), {"edits[0]"}),
        (ask(edits=[pb.FeatureEdit(source="x", scale=1)] * 9), {"edits"}),
        (ask(path=pb.Removal(source="x")), {"path.source"}),
        (
            ask(path=pb.Removal(source=SOURCE, feature=128, position=5)),
            {"path.source", "path.feature", "path.position"},
        ),
    ],
)
async def test_each_bad_field_is_named(
    rig: Rig, request_: pb.ExplainRequest, fields: set[str]
) -> None:
    error = await refusal(rig.stub.Explain(request_))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert set(violations(error)) == fields


async def test_bad_options_of_a_generation_are_named(rig: Rig) -> None:
    explain = pb.ExplainOptions(limit=0, sources=["x"])
    error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a", explain=explain)))
    named = set(violations(error))
    assert named == {"explain.limit", "explain.sources"}


async def test_too_many_wait() -> None:
    async with serving(slots=1, max_queue=0) as service:
        rig = Rig(service)
        generation = rig.stub.Generate(LONG)
        await rig.until(lambda load: load.running == 1)  # it has the only slot
        calls = [rig.stub.Explain(ask()) for _ in range(MAX_WAITING + 1)]
        reading = [asyncio.create_task(collect(call)) for call in calls]
        await rig.until_explaining(len(calls))
        error = await refusal(rig.stub.Explain(ask()))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        generation.cancel()
        for messages in await asyncio.gather(*reading):
            assert messages[-1].HasField("summary")
        await rig.channel.close()


async def test_a_cancelled_call_leaves_the_queue() -> None:
    async with serving(slots=1) as service:
        rig = Rig(service)
        rig.stub.Generate(LONG)
        await rig.until(lambda load: load.running == 1)
        call = rig.stub.Explain(ask())
        reading = asyncio.create_task(collect(call))
        await rig.until_explaining(1)
        call.cancel()
        await rig.until_explaining(0)
        with pytest.raises(asyncio.CancelledError):
            await reading
        await rig.channel.close()


async def test_draining_ends_an_explanation() -> None:
    async with serving(slots=1, drain_seconds=0) as service:
        rig = Rig(service)
        rig.stub.Generate(LONG)
        await rig.until(lambda load: load.running == 1)
        reading = asyncio.create_task(refusal(rig.stub.Explain(ask())))
        await rig.until_explaining(1)
        await service.drain()
        assert (await reading).code() is grpc.StatusCode.UNAVAILABLE
        await rig.channel.close()


async def test_effects_follow_generated_tokens(rig: Rig) -> None:
    request = pb.GenerateRequest(
        prompt="abc", max_tokens=3, explain=pb.ExplainOptions(limit=2), pace=5
    )
    messages = await collect(rig.stub.Generate(request))
    told = [m.token_effects for m in messages if m.HasField("token_effects")]
    assert sorted(one.position for one in told) == [4, 5, 6]
    assert messages[-1].HasField("finished")
    explained = [one for one in told if one.HasField("summary")]
    assert explained
    for one in explained:
        assert one.rival.token_id in (7, 8)
        assert one.summary.tried == 2
        assert one.summary.active == one.position - 1
    tokens = [t.position for m in messages for t in m.tokens.tokens]
    assert tokens == list(range(7))


async def test_the_client_and_the_command(rig: Rig) -> None:
    address = f"127.0.0.1:{rig.service.port}"
    async with axon.AsyncClient(address) as client:
        told: list[axon.ExplainProgress] = []
        found = await client.explain("aXbX", target="a", rival=8, limit=3, on_progress=told.append)
        assert (told[0], told[-1]) == (axon.ExplainProgress(0, 3), axon.ExplainProgress(3, 3))
        assert (await client.model()).limits.max_removals == 1024
        with pytest.raises(axon.AxonError, match="not exactly one token"):
            await client.explain("a", target="two")
        followed = [
            event
            async for event in client.generate("abc", max_tokens=2, explain={"limit": 2})
            if isinstance(event, axon.TokenEffects)
        ]
    assert [one.position for one in followed] == [4, 5]
    assert (found.target.text, found.rival.text, found.tried, found.path) == ("a", "\x08", 3, None)
    assert found.effects[0] == axon.Effect(None, SOURCE, ord("X"), 5, found.effects[0].logprob, -6)

    too: list[axon.ExplainProgress] = []

    def blocking() -> axon.Explanation:
        with axon.Client(address) as client:
            again = client.explain(
                [2, *b"aXbX"], target="a", rival=8, limit=3, on_progress=too.append
            )
            assert too == told
            return again

    again = await asyncio.to_thread(blocking)
    assert again.effects == found.effects
    code, out, err = await command("why", "aXbX", "--address", address)
    assert (code, err) == (0, "")
    title, head, *rows, summary = out.splitlines()
    assert title == (
        f"'\\x07' {math.exp(-1):.1%} (logprob -1.000), rather than '\\x08' {math.exp(-2):.1%}: "
        "logit +1.000"
    )
    assert head.split() == ["logprob", "logit", "activation", "feature", "at"]
    assert rows[0].split() == ["-8.000", "-8.000", "5.00", f"{SOURCE}/88", "everywhere"]
    assert rows[1].split() == ["-5.000", "-5.000", "5.00", f"{SOURCE}/88", "4", "'X'"]
    # A feature that is active at one position has one row: everywhere is the same there.
    features = [row.split()[3] for row in rows]
    assert [features.count(f"{SOURCE}/{ord(one)}") for one in "Xab"] == [3, 1, 1]
    assert summary.startswith("4 of 4 active features tried in ")
    code, out, _ = await command("why", "aXbX", "a", "--json", "--address", address)
    assert json.loads(out)["effects"][0]["feature"] == ord("X")
    code, _, err = await command("why", "a", "--path", "nonsense", "--address", address)
    assert code == 2
    assert "SOURCE/FEATURE[@POSITION]" in err


async def test_the_command_tells_causes_between_the_tokens(rig: Rig) -> None:
    code, out, _ = await command(
        *("generate", "ab", "--explain", "--pace", "5", "--max-tokens", "2"),
        *("--address", f"127.0.0.1:{rig.service.port}"),
    )
    assert code == 0
    told = [line for line in out.splitlines() if line.startswith("  why ")]
    assert len(told) == 2
    assert any(line.startswith("  why 3 'c' rather than ") for line in told)
    assert f"{SOURCE}/98 at 2 'b' -1.00" in out
