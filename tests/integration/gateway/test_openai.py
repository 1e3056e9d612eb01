"""OpenAI's API, as the unmodified `openai` package calls it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import openai
import pytest
import pytest_asyncio
from axon.v1 import inference_pb2 as pb
from axon_gateway.config import Settings
from openai import AsyncOpenAI, OpenAI

from ...patience import eventually
from . import harness
from .fake_inference import MODEL, SEED, SOURCES, Failure, FakeInference, Script
from .harness import Running

ASK: dict[str, Any] = {"model": MODEL, "prompt": "The capital"}
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
EDIT = {"source": SOURCES[0], "feature": 21, "scale": 0}


def client_of(gateway: Running, key: str = "none") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


@pytest_asyncio.fixture
async def client(gateway: Running) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(gateway) as client:
        yield client


async def refused(call: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        await call
    return caught.value


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).id == MODEL
    error = await refused(client.models.retrieve("gpt-4"))
    assert (error.status_code, error.code) == (404, "model_not_found")


async def test_a_completion(client: AsyncOpenAI, inference: FakeInference) -> None:
    answer = await client.completions.create(
        **ASK, max_tokens=9, temperature=0, top_p=0.5, seed=7, frequency_penalty=0, logit_bias={}
    )
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == (" of France is Paris", "length")
    assert (choice.index, choice.logprobs, answer.model) == (0, None, MODEL)
    assert answer.usage is not None
    counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    assert counts == (3, 4, 7)
    [seen] = inference.seen.requests
    sampling = seen.sampling
    assert (seen.prompt, seen.max_tokens, sampling.seed) == ("The capital", 9, 7)
    assert (sampling.temperature, sampling.top_p) == (0, 0.5)
    # Nobody would see features.
    assert (seen.features.HasField("top_k"), seen.features.top_k) == (True, 0)


async def test_the_synchronous_client(gateway: Running) -> None:
    def ask() -> tuple[str, str]:
        with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
            whole = client.completions.create(**ASK).choices[0].text
            with client.completions.create(**ASK, stream=True) as chunks:
                return whole, "".join(chunk.choices[0].text for chunk in chunks)

    assert await asyncio.to_thread(ask) == (" of France is Paris",) * 2


async def test_a_stream_with_its_usage(client: AsyncOpenAI) -> None:
    chunks = [
        chunk
        async for chunk in await client.completions.create(
            **ASK, stream=True, stream_options={"include_usage": True}
        )
    ]
    *parts, last = chunks
    assert [part.choices[0].text for part in parts] == [" of", " France", " is", " Paris", ""]
    reasons = [part.choices[0].finish_reason for part in parts]
    assert reasons == [None] * 4 + ["length"]
    assert {part.usage for part in parts} == {None}
    assert (last.choices, last.usage and last.usage.total_tokens) == ([], 7)
    assert {chunk.id for chunk in chunks} == {last.id}


async def test_a_stream_is_of_events_and_ends_with_done(gateway: Running) -> None:
    url = f"{gateway.url}/v1/completions"
    async with gateway.http.post(url, json={**ASK, "stream": True}) as answer:
        assert answer.content_type == "text/event-stream"
        events = (await answer.text()).split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(event.removeprefix("data: ")) for event in events[:-2])


async def test_a_client_that_leaves_cancels_its_generations(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script = Script(queue=(1,), delay=60)
    asking = asyncio.create_task(client.completions.create(**{**ASK, "prompt": ["a", "b"]}))
    await eventually(lambda: inference.seen.running == 2)
    asking.cancel()
    await eventually(lambda: inference.seen.running == 0)


async def test_logprobs_of_a_completion(client: AsyncOpenAI) -> None:
    answer = await client.completions.create(**ASK, logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == [" of", " France", " is", " Paris"]
    assert logprobs.token_logprobs == [-0.5] * 4
    # The likeliest at a token's own place are those that the token before it tells.
    assert logprobs.top_logprobs == [
        {text: -0.5, " a1": -1.5} for text in (" of", " France", " is", " Paris")
    ]
    assert logprobs.text_offset == [0, 3, 10, 13]


async def test_echo_has_the_prompt_without_the_bos_before_it(client: AsyncOpenAI) -> None:
    inputs = {**ASK, "echo": True, "logprobs": 1, "max_tokens": 0}
    answer = await client.completions.create(**inputs)
    [choice] = answer.choices
    assert choice.text == "The capital"
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["The", " capital"]
    # The first token has one, too, since BOS comes before it.
    assert choice.logprobs.token_logprobs == [-0.5, -0.5]
    assert choice.logprobs.top_logprobs == [{"The": -0.5}, {" capital": -0.5}]
    assert choice.logprobs.text_offset == [0, 3]
    assert (answer.usage and answer.usage.prompt_tokens) == 3


async def test_echo_of_a_model_without_bos(client: AsyncOpenAI, inference: FakeInference) -> None:
    inference.script.prompt = ("The", " capital")
    parts = [
        chunk.choices[0]
        async for chunk in await client.completions.create(
            **ASK, echo=True, logprobs=1, stream=True
        )
    ]
    assert "".join(part.text for part in parts) == "The capital of France is Paris"
    told = [part.logprobs for part in parts if part.logprobs]
    assert [one.token_logprobs for one in told] == [[None, -0.5], *[[-0.5]] * 4]
    assert told[0].top_logprobs == [None, {" capital": -0.5}]
    assert [one.text_offset for one in told] == [[0, 3], [11], [14], [21], [24]]


async def test_the_token_that_ends_the_text_has_a_place_among_logprobs(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    """Evaluations drop the last one: without it they would drop one of the prompt's."""
    inference.script.tokens, inference.script.reason = (), pb.FINISH_REASON_STOP
    [choice] = (await client.completions.create(**ASK, echo=True, logprobs=1)).choices
    assert (choice.text, choice.finish_reason) == ("The capital", "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["The", " capital", ""]
    assert choice.logprobs.token_logprobs == [-0.5, -0.5, None]
    assert choice.logprobs.top_logprobs == [{"The": -0.5}, {" capital": -0.5}, {" a0": -0.5}]


async def test_a_stop_string_is_no_part_of_the_text(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.tokens = (" one", "\n", "\nTwo", " three")
    for stream in (False, True):
        inputs = {**ASK, "stop": ["\n\nT", "zebra"], "logprobs": 0, "stream": stream}
        answer: Any = await client.completions.create(**inputs)
        parts = [chunk.choices[0] async for chunk in answer] if stream else answer.choices
        assert "".join(part.text for part in parts) == " one"
        assert [tok for part in parts if part.logprobs for tok in part.logprobs.tokens] == [" one"]
        assert parts[-1].finish_reason == "stop"
    assert list(inference.seen.requests[0].sampling.stop) == ["\n\nT", "zebra"]


async def test_what_might_have_been_a_stop_string_is_told_later(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.tokens = (" a", "b", " a", "bc", "d end", "e")
    answer = await client.completions.create(**ASK, stop="abcde", stream=True)
    texts = [chunk.choices[0].text async for chunk in answer]
    # " a" and "bc" may begin it, and "d end" cannot go on with it.
    assert texts == [" ab", " abcd end", "e", ""]


async def test_a_stop_string_may_begin_inside_a_token(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.tokens = (" one", " two. Th", "ree")
    [choice] = (await client.completions.create(**ASK, stop=". T", logprobs=0)).choices
    assert choice.text == " one two"
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == [" one", " two"]


async def test_n_makes_branches_with_seeds_of_their_own(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.ends = {1: 2}
    answer = await client.completions.create(**ASK, n=3, seed=2**64 - 2, best_of=3)
    told = [(one.index, one.text, one.finish_reason) for one in answer.choices]
    whole = " of France is Paris"
    assert told == [(0, whole, "length"), (1, " of France", "stop"), (2, whole, "length")]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 10)
    await client.completions.create(**ASK, n=2)
    [first, second] = inference.seen.requests
    assert [one.seed for one in first.branches] == [2**64 - 2, 2**64 - 1, 0]
    drawn = [one.seed for one in second.branches]
    assert drawn[1] == drawn[0] + 1


async def test_several_prompts_are_run_side_by_side(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.delay = 0.01
    inputs = {**ASK, "prompt": ["a", "b", "c"], "n": 2}
    answer = await client.completions.create(**inputs)
    assert [one.index for one in answer.choices] == list(range(6))
    assert {one.text for one in answer.choices} == {" of France is Paris"}
    assert (answer.usage and answer.usage.total_tokens) == 3 * (3 + 8)
    assert sorted(one.prompt for one in inference.seen.requests) == ["a", "b", "c"]
    texts = dict.fromkeys(range(6), "")
    async for chunk in await client.completions.create(**inputs, stream=True):
        [part] = chunk.choices
        texts[part.index] += part.text
    assert set(texts.values()) == {" of France is Paris"}


async def test_features_edits_and_alternatives(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    axon = {"feat_k": 2, "edits": [EDIT], "alternatives": 1, "explain": {"limit": 1}}
    answer = await client.completions.create(**ASK, extra_body={"axon": axon})
    [choice] = answer.choices
    told: dict[str, Any] = choice.model_extra["axon"]  # type: ignore[index]
    assert (choice.text, choice.logprobs) == (" of~ France~ is~ Paris~", None)
    assert [token["token"] for token in told["prompt"]] == ["<bos>", "The", " capital"]
    assert [token["token"] for token in told["tokens"]] == [" of~", " France~", " is~", " Paris~"]
    [token, *_] = told["tokens"]
    edited = [one for one in token["features"] if one.get("edited")]
    assert [(one["source"], one["id"], one["activation"]) for one in edited] == [
        (SOURCES[0], 21, 0)
    ]
    # Labels are there, those that came late included.
    assert {one["label"] for one in token["features"]} >= {f"label 21 of {SOURCES[0]}"}
    assert [one["token"] for one in token["alternatives"]] == [" a0"]
    assert told["branch"]["edits"] == [{**EDIT, "where": "while_firing"}]
    assert told["branch"]["seed"] == str(SEED)
    assert (told["sources"], told["params"]["feat_k"]) == (list(SOURCES), 2)
    assert [len(one["effects"]) for one in told["effects"]] == [1] * 4
    assert all("label" in effect for one in told["effects"] for effect in one["effects"])
    assert told["timings"]["queue_ns"] == 1
    [seen] = inference.seen.requests
    assert (seen.features.top_k, seen.alternatives, len(seen.branches)) == (2, 1, 1)


async def test_a_twin_has_a_choice_for_each_branch(client: AsyncOpenAI) -> None:
    axon = {"branches": [{"name": "as is"}, {"name": "silent", "edits": [EDIT]}]}
    answer = await client.completions.create(**ASK, extra_body={"axon": axon})
    assert [one.text for one in answer.choices] == [
        " of France is Paris",
        " of~ France~ is~ Paris~",
    ]
    names = [one.model_extra["axon"]["branch"]["name"] for one in answer.choices]  # type: ignore[index]
    assert names == ["as is", "silent"]


async def test_chunks_carry_the_frames_of_features(gateway: Running, client: AsyncOpenAI) -> None:
    chunks = [
        chunk
        async for chunk in await client.completions.create(
            **ASK, stream=True, extra_body={"axon": {"feat_k": 1}}
        )
    ]
    frames = [chunk.model_extra["axon"] for chunk in chunks if "axon" in (chunk.model_extra or {})]
    async with gateway.http.post(
        f"{gateway.url}/api/generate", json={"prompt": "The capital", "feat_k": 1}
    ) as same:
        lines = [json.loads(line) async for line in same.content]
    # The same stream in another rendering.
    assert [frame["type"] for frame in frames if frame["type"] != "labels"] == [
        line["type"] for line in lines if line["type"] != "labels"
    ]
    features = [line["features"] for line in lines if line["type"] == "token"]
    assert [one["features"] for one in frames if one["type"] == "token"] == features
    of_tokens = [
        (chunk.choices[0].text, chunk.model_extra["axon"]["token"])  # type: ignore[index]
        for chunk in chunks
        if (chunk.model_extra or {}).get("axon", {}).get("type") == "token"
    ]
    assert of_tokens == [(text, text) for text in (" of", " France", " is", " Paris")]


async def test_a_chat(client: AsyncOpenAI, inference: FakeInference) -> None:
    inference.chat = True
    parts: Any = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    answer = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}],
        max_completion_tokens=5,
        logprobs=True,
        top_logprobs=2,
    )
    [choice] = answer.choices
    assert choice.message.content == " of France is Paris"
    assert (choice.message.role, choice.finish_reason) == ("assistant", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    [token, *_] = choice.logprobs.content
    assert (token.token, token.logprob, bytes(token.bytes or ())) == (" of", -0.5, b" of")
    assert [(one.token, one.logprob) for one in token.top_logprobs] == [
        (" of", -0.5),
        (" a1", -1.5),
    ]
    [seen] = inference.seen.requests
    assert [(one.role, one.content) for one in seen.messages] == [
        ("system", "Be brief."),
        ("user", "Hello"),
    ]
    assert (seen.prompt, seen.max_tokens) == ("", 5)


async def test_a_streamed_chat(client: AsyncOpenAI, inference: FakeInference) -> None:
    inference.chat = True
    chunks = [chunk async for chunk in await client.chat.completions.create(**CHAT, stream=True)]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert "".join(delta.content or "" for delta in deltas) == " of France is Paris"
    assert (deltas[-1].content, chunks[-1].choices[0].finish_reason) == (None, "length")


async def test_a_conversation_over_the_other_interface(
    gateway: Running, inference: FakeInference
) -> None:
    url = f"{gateway.url}/api/generate"
    async with gateway.http.post(url, json={"messages": CHAT["messages"]}) as answer:
        assert (answer.status, (await answer.json())["field"]) == (400, "messages")
    inference.chat = True
    # The gateway learns of it when the service comes up again.
    await gateway.gateway.backends.model(MODEL)
    async with gateway.http.post(url, json={"messages": CHAT["messages"]}) as answer:
        lines = [json.loads(line) async for line in answer.content]
    assert lines[-1]["type"] == "finished"
    assert [one.content for one in inference.seen.requests[-1].messages] == ["Hello"]
    [started] = [one for one in lines if one["type"] == "started"]
    assert (started["prompt"], started["messages"]) == ("Hello", CHAT["messages"])
    async with gateway.http.post(url, json={**CHAT, "prompt": "x"}) as answer:
        assert (answer.status, (await answer.json())["field"]) == (400, "messages")


async def test_a_model_without_a_chat_template_says_so(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    error = await refused(client.chat.completions.create(**CHAT))
    assert (error.status_code, error.param) == (400, "messages")
    assert "has no chat template" in str(error.body)
    assert not inference.seen.requests


#: What a completion cannot have, the name of the field at fault, and a part of the message.
IMPOSSIBLE: list[tuple[dict[str, Any], str, str]] = [
    ({"frequency_penalty": 0.5}, "frequency_penalty", "not possible"),
    ({"presence_penalty": -1}, "presence_penalty", "not possible"),
    ({"logit_bias": {"5": 1}}, "logit_bias", "not possible"),
    ({"suffix": "x"}, "suffix", "not possible"),
    ({"best_of": 2}, "best_of", "must be n"),
    ({"n": 9}, "n", "0 to 8"),
    ({"n": 0}, "n", "1 to 8"),
    ({"prompt": [[1, 2]]}, "prompt", "token ids"),
    ({"prompt": [1, 2]}, "prompt", "token ids"),
    ({"prompt": []}, "prompt", "empty"),
    ({"prompt": ["a", ""]}, "prompt", "empty"),
    ({"prompt": ["a"] * 17}, "prompt", "16 choices"),
    ({"temperature": "hot"}, "temperature", "a number"),
    ({"max_tokens": -1}, "max_tokens", "max_tokens must be"),
    ({"logprobs": True}, "logprobs", "an integer"),
    ({"echo": 1}, "echo", "true or false"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "stream"),
    ({"extra_body": {"top_k": 1}}, "top_k", "no field top_k"),
    ({"extra_body": {"axon": 1}}, "axon", "an object"),
    ({"extra_body": {"axon": {"topk": 1}}}, "axon.topk", "no field"),
    ({"extra_body": {"axon": {"seed": 1}}}, "axon.seed", "beside axon"),
    ({"extra_body": {"axon": {"alternatives": 1}}, "logprobs": 1}, "axon.alternatives", "both"),
    ({"extra_body": {"axon": {"branches": [{}]}}, "n": 2}, "n", "leave n out"),
    (
        {"extra_body": {"axon": {"edits": [{**EDIT, "feature": 64}]}}},
        "axon.edits[0].feature",
        "0 to 63",
    ),
    (
        {"extra_body": {"axon": {"edits": [{**EDIT, "feature": 64}]}}, "n": 2},
        "axon.edits[0].feature",
        "0 to 63",
    ),
    (
        {"extra_body": {"axon": {"branches": [{"edits": [{**EDIT, "source": "x"}]}]}}},
        "axon.branches[0].edits[0].source",
        "not served",
    ),
]


async def test_what_cannot_be_done_is_refused_by_name(client: AsyncOpenAI) -> None:
    for more, param, word in IMPOSSIBLE:
        error = await refused(client.completions.create(**{**ASK, **more}))
        assert isinstance(error, openai.BadRequestError), more
        assert (error.param, error.type) == (param, "invalid_request_error"), more
        assert word in str(error.body), more


#: The same of a chat.
IMPOSSIBLE_IN_CHAT: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"max_tokens": 1, "max_completion_tokens": 1}, "max_completion_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    ({"messages": [{"role": "", "content": ""}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": []}]}, "messages[0].tool_calls"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0]",
    ),
    ({"messages": [{"role": "user", "content": "x" * 30_000}]}, "messages"),
]


async def test_what_a_chat_cannot_do_is_refused_by_name(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.chat = True
    for more, param in IMPOSSIBLE_IN_CHAT:
        error = await refused(client.chat.completions.create(**{**CHAT, **more}))
        assert (error.status_code, error.param) == (400, param), more


async def test_the_range_of_logprobs_is_the_models(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    why = "alternatives must be 0 to 20"
    inference.script.refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, why, "alternatives")
    error = await refused(client.completions.create(**ASK, logprobs=21))
    assert (error.status_code, error.param) == (400, "logprobs")
    assert "logprobs must be 0 to 20" in str(error.body)


async def test_an_unknown_model_is_not_found(client: AsyncOpenAI) -> None:
    error = await refused(client.completions.create(model="gpt-4", prompt="x"))
    assert isinstance(error, openai.NotFoundError)
    assert (error.code, error.param) == ("model_not_found", "model")


async def test_a_full_queue_says_when_to_come_back(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.refusal = Failure(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", retry_seconds=3
    )
    for stream in (False, True):
        error = await refused(client.completions.create(**ASK, stream=stream))
        assert isinstance(error, openai.RateLimitError)
        assert (error.response.headers["Retry-After"], error.code) == ("3", "queue_full")


async def test_a_service_that_loads_is_unavailable(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    await inference.serving(False)
    inference.waits_for = "downloading some/model"
    error = await refused(client.completions.create(**ASK))
    assert (error.status_code, error.type) == (503, "server_error")


async def test_a_stream_that_breaks_off_ends_with_an_error(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script.cut_off = True
    chunks = await client.completions.create(**ASK, stream=True)
    texts = [(await anext(chunks)).choices[0].text for _ in range(4)]
    with pytest.raises(openai.APIError) as caught:
        await anext(chunks)
    assert texts == [" of", " France", " is", " Paris"]
    assert caught.value.code == "backend_lost"
    error = await refused(client.completions.create(**ASK))
    assert (error.status_code, error.code) == (503, "backend_lost")


async def test_one_failure_of_several_prompts_ends_all(
    client: AsyncOpenAI, inference: FakeInference
) -> None:
    inference.script = Script(failure=Failure(grpc.StatusCode.INTERNAL, "not finite"))
    error = await refused(client.completions.create(**{**ASK, "prompt": ["a", "b"]}))
    assert error.status_code == 500
    await eventually(lambda: inference.seen.running == 0)


async def test_keys_are_the_access_tokens(settings: Settings, inference: FakeInference) -> None:
    settings = dataclasses.replace(settings, generate_tokens=("teach",), join_tokens=("learn",))
    async with harness.running(settings) as gateway:
        for key, may_see, may_generate in (
            ("guess", False, False),
            ("learn", True, False),
            ("teach", True, True),
        ):
            async with client_of(gateway, key) as client:
                for call, allowed in (
                    (lambda one: one.models.list(), may_see),
                    (lambda one: one.completions.create(**ASK), may_generate),
                ):
                    if allowed:
                        await call(client)
                        continue
                    error = await refused(call(client))
                    assert isinstance(error, openai.AuthenticationError)
                    assert error.code == "invalid_api_key"
    assert len(inference.seen.requests) == 1


async def test_generations_of_one_address_are_limited_with_those_of_the_other_interface(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = Script(delay=60)
    async with harness.running(dataclasses.replace(settings, client_generations=2)) as gateway:
        other = await gateway.connect()
        await other.send(prompt="x")
        await other.until("prompt")
        async with client_of(gateway) as client:
            # One of the two would fit, but half a request is no use.
            error = await refused(client.completions.create(**{**ASK, "prompt": ["a", "b"]}))
            assert isinstance(error, openai.RateLimitError)
            assert error.response.headers["Retry-After"]
        await eventually(lambda: inference.seen.running == 1)
        await other.close()
        await eventually(lambda: inference.seen.running == 0)


BAD: list[tuple[str, str, bytes, int, str]] = [
    ("GET", "/v1/nothing", b"", 404, "not_found"),
    ("GET", "/v1/completions", b"", 404, "not_found"),
    ("POST", "/v1/completions", b"{", 400, "invalid_json"),
    ("POST", "/v1/completions", b"[]", 400, "invalid_json"),
    ("POST", "/v1/completions", b"{}", 400, "wrong_type"),
    ("POST", "/v1/chat/completions", b"{}", 400, "wrong_type"),
    ("POST", "/v1/completions", b" " * 70_000, 413, "message_too_big"),
    ("POST", "/v1/completions", b'{"prompt": "\\ud800"}', 400, "wrong_type"),
    ("POST", "/v1/completions", b'{"prompt": "x", "\\ud800": 1}', 400, "unknown_field"),
    ("GET", "/v1/models/%00%ed%a0%80", b"", 404, "model_not_found"),
]


async def test_bad_requests_are_refused_in_openais_form(gateway: Running) -> None:
    for method, path, data, status, code in BAD:
        url = harness.raw_url(f"{gateway.url}{path}")
        async with gateway.http.request(method, url, data=data) as answer:
            assert answer.status == status, (path, data)
            error = (await answer.json())["error"]
        assert (error["code"], error["type"]) == (code, "invalid_request_error"), (path, data)
        assert error.keys() == {"message", "type", "param", "code"}


async def test_a_page_of_another_origin_is_refused_in_openais_form(gateway: Running) -> None:
    headers = {"Origin": "https://evil.example"}
    url = f"{gateway.url}/v1/completions"
    async with gateway.http.post(url, json=ASK, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "foreign_origin")
