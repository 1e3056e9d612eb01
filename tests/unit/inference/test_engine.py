"""The real engine and scheduler with a fake model."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest
from axon_inference.engine.engine import Engine, EngineDead
from axon_inference.engine.events import Event, Failed, Finished, Queued, Reason, Started, Tokens
from axon_inference.engine.requests import Features, Request, Sampling
from axon_inference.engine.scheduler import QueueFull, Scheduler
from axon_inference.engine.step import DeviceLost
from axon_inference.engine.text import Decoder, decoder

from ...patience import PATIENCE
from .fakes import ByteTokenizer, FakeRunner

EOS = 0


def successor(tokens: list[int]) -> int:
    return (tokens[-1] + 1) % 128


class Rig:
    """An engine whose steps the test takes, and the events that it published."""

    def __init__(self, slots: int = 3, max_queue: int = 10, prefill_tokens: int = 64) -> None:
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.runner = FakeRunner(successor, slots)
        self.engine = Engine(
            self.runner,
            ByteTokenizer(),
            Scheduler(slots, max_queue, prefill_tokens),
            frozenset({EOS}),
            self.keep,
        )

    def keep(self, events: list[tuple[int, Event]]) -> None:
        for request_id, event in events:
            self.events[request_id].append(event)

    def submit(self, text: str, max_tokens: int = 5, **knobs: object) -> int:
        features = Features(sources=(0,), top_k=3, include_bos=True)
        sampling = Sampling(**knobs)  # type: ignore[arg-type]
        return self.engine.submit(Request(tuple(text.encode()), max_tokens, sampling, features))

    def finish(self) -> None:
        for _ in range(200):
            if not sum(self.engine.progress()):
                return
            self.engine.step()
        raise AssertionError("the engine did not finish all requests")

    def text(self, request_id: int) -> str:
        return "".join(t.text for t in self.tokens(request_id))

    def tokens(self, request_id: int) -> list[object]:
        found = [e.tokens for e in self.events[request_id] if isinstance(e, Tokens)]
        return [token for tokens in found for token in tokens]


def test_a_token_carries_the_features_of_its_own_position() -> None:
    rig = Rig()
    request = rig.submit("abc", max_tokens=3)
    rig.finish()
    tokens = rig.tokens(request)
    assert [t.position for t in tokens] == [0, 1, 2, 3, 4, 5]
    assert rig.text(request) == "abcdef"
    for token in tokens[1:]:  # at position 0 the activation is 0, so no feature is active
        [found] = token.source_features
        assert list(found.ids) == [token.token_id]
        assert list(found.activations) == [token.position]


def test_the_prompt_comes_in_one_event_then_one_token_a_step() -> None:
    rig = Rig(prefill_tokens=2)
    request = rig.submit("abcde", max_tokens=2)
    rig.finish()
    kinds = [type(event) for event in rig.events[request]]
    assert kinds == [Started, Tokens, Tokens, Tokens, Finished]
    assert len(rig.events[request][1].tokens) == 5


def test_the_last_token_takes_one_more_pass_that_draws_nothing() -> None:
    rig = Rig()
    rig.submit("a", max_tokens=2)
    rig.finish()
    assert [step[0].draws for step in rig.runner.steps] == [0, 1, None]


def test_a_request_for_no_tokens_gives_only_the_prompt() -> None:
    rig = Rig()
    request = rig.submit("abc", max_tokens=0)
    rig.finish()
    assert rig.text(request) == "abc"
    end = rig.events[request][-1]
    assert (end.reason, end.prompt_tokens, end.generated_tokens) == (Reason.LENGTH, 3, 0)


def test_end_of_sequence_stops_and_is_not_shown() -> None:
    rig = Rig()
    request = rig.submit("}", max_tokens=50)  # } ~ DEL, then 0
    rig.finish()
    assert rig.text(request) == "}~\x7f"
    assert rig.events[request][-1].reason is Reason.STOP


def test_a_stop_string_ends_with_the_token_that_completes_it() -> None:
    rig = Rig()
    request = rig.submit("abc", max_tokens=50, stop=("zz", "fg"))
    rig.finish()
    assert rig.text(request) == "abcdefg"
    end = rig.events[request][-1]
    assert (end.reason, end.generated_tokens) == (Reason.STOP, 4)


def test_a_stop_string_in_the_prompt_does_not_count() -> None:
    rig = Rig()
    request = rig.submit("abc", max_tokens=2, stop=("bc", "cd"))
    rig.finish()
    assert rig.text(request) == "abcde"


@pytest.mark.parametrize("prompt", ["ab\ufffd", "\ufffd\ufffd", "a\ufffdb"])
def test_all_text_of_the_prompt_comes_with_the_prompt(prompt: str) -> None:
    """Also U+FFFD, to which half a character is decoded. It completes no stop string there."""
    rig = Rig()
    rig.runner.continuation = lambda tokens: ord("x")
    request = rig.submit(prompt, max_tokens=4, stop=("\ufffd", "\ufffdx"))
    rig.finish()
    tokens = rig.tokens(request)
    assert "".join(token.text for token in tokens if not token.generated) == prompt
    assert [token.text for token in tokens if token.logprob is not None] == ["x"] * 4
    assert rig.events[request][-1].reason is Reason.LENGTH


def test_a_prompt_is_complete_with_any_tokenizer() -> None:
    """A tokenizer without known byte tokens cannot tell half a character from U+FFFD."""
    rig = Rig()
    rig.engine._decode = Decoder(lambda ids: bytes(ids).decode(errors="replace"))
    request = rig.submit("ab\ufffd", max_tokens=2, stop=("\ufffd",))
    rig.finish()
    assert [token.text for token in rig.tokens(request)] == ["a", "b", "", "", "\ufffd", ">", "?"]


def test_generated_replacement_characters_come_one_by_one() -> None:
    rig = Rig()
    spelled = b"x" + "\ufffd".encode() * 5
    rig.runner.continuation = lambda tokens: spelled[len(tokens)]
    request = rig.submit("x", max_tokens=15, stop=("\ufffd" * 3,))
    rig.finish()
    assert [t.text for t in rig.tokens(request)] == ["x", *["", "", "\ufffd"] * 3]
    assert rig.events[request][-1].reason is Reason.STOP


def test_a_character_of_several_tokens_comes_whole_and_an_unfinished_one_at_the_end() -> None:
    rig = Rig()
    spelled = "ü€".encode() + b"\xe2\x82"
    rig.runner.continuation = lambda tokens: (b"x" + spelled + b"!")[len(tokens)]
    request = rig.submit("x", max_tokens=len(spelled))
    rig.finish()
    texts = [t.text for t in rig.tokens(request)]
    assert texts == ["x", "", "ü", "", "", "€", "", "\ufffd"]
    assert "".join(texts) == (b"x" + spelled).decode(errors="replace")


def test_rows_join_and_leave_without_disturbing_each_other() -> None:
    rig = Rig(slots=3, prefill_tokens=3)
    texts = ["a", "bcdefgh", "ij", "k", "lmnop", "q"]
    requests = []
    for number, text in enumerate(texts):
        requests.append(rig.submit(text, max_tokens=number + 1))
        rig.engine.step()
    rig.finish()
    for number, (request, text) in enumerate(zip(requests, texts, strict=True)):
        last = ord(text[-1])
        want = text + "".join(chr(last + i + 1) for i in range(number + 1))
        assert rig.text(request) == want


def test_a_long_prompt_does_not_stall_running_requests() -> None:
    rig = Rig(prefill_tokens=4)
    running = rig.submit("a", max_tokens=40)
    rig.engine.step()
    rig.submit("x" * 20, max_tokens=1)
    for _ in range(5):
        before = len(rig.tokens(running))
        rig.engine.step()
        assert len(rig.tokens(running)) == before + 1


def test_waiting_requests_are_told_their_position() -> None:
    rig = Rig(slots=1)
    rig.submit("a", max_tokens=1)
    second, third = rig.submit("b", max_tokens=1), rig.submit("c", max_tokens=1)
    rig.finish()
    assert [e.position for e in rig.events[second] if isinstance(e, Queued)] == [0]
    assert [e.position for e in rig.events[third] if isinstance(e, Queued)] == [1, 0]


def test_cancel_frees_the_slot_before_the_next_step() -> None:
    rig = Rig(slots=1)
    first, second = rig.submit("a", max_tokens=50), rig.submit("b", max_tokens=1)
    rig.engine.step()
    rig.engine.cancel(first)
    rig.engine.step()
    end = rig.events[first][-1]
    assert isinstance(end, Finished)
    assert end.reason is Reason.CANCELLED
    assert isinstance(rig.events[second][-1], Tokens)


def test_cancelling_a_waiting_request_and_one_that_has_ended() -> None:
    rig = Rig(slots=1)
    first, second = rig.submit("a", max_tokens=1), rig.submit("b", max_tokens=1)
    rig.engine.cancel(second)
    rig.finish()
    rig.engine.cancel(first)
    assert [type(e) for e in rig.events[second]] == [Finished]


def test_a_full_queue_refuses() -> None:
    rig = Rig(slots=1, max_queue=1)
    rig.submit("a")
    rig.submit("b")
    with pytest.raises(QueueFull):
        rig.submit("c")


def test_values_that_are_not_finite_fail_their_own_request() -> None:
    rig = Rig()
    bad, good = rig.submit("a", max_tokens=9), rig.submit("b", max_tokens=9)
    rig.runner.poison = lambda feed: rig.runner.rows[feed.slot][0] == ord("a") and feed.start > 2
    rig.finish()
    assert isinstance(rig.events[bad][-1], Failed)
    assert "not finite" in rig.events[bad][-1].message
    assert rig.text(good) == "bcdefghijk"


def test_a_step_that_raises_fails_only_the_request_that_causes_it() -> None:
    rig = Rig(slots=5)
    requests = [rig.submit(text, max_tokens=9) for text in "abcde"]
    rig.engine.step()
    rig.runner.explode = lambda feeds: any(rig.runner.rows[f.slot][0] == ord("c") for f in feeds)
    rig.finish()
    ends = [type(rig.events[request][-1]) for request in requests]
    assert ends == [Finished, Finished, Failed, Finished, Finished]
    assert "out of memory" in rig.events[requests[2]][-1].message
    assert [rig.text(requests[i]) for i in (0, 4)] == ["abcdefghij", "efghijklmn"]


def test_the_engine_continues_after_a_step_that_failed_for_all() -> None:
    rig = Rig()
    request = rig.submit("a", max_tokens=9)
    rig.engine.step()
    rig.runner.explode = lambda feeds: True
    rig.engine.step()
    assert isinstance(rig.events[request][-1], Failed)
    rig.runner.explode = lambda feeds: False
    again = rig.submit("x", max_tokens=2)
    rig.finish()
    assert rig.text(again) == "xyz"


def logged(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """The number of log lines and of tracebacks."""
    return len(caplog.records), sum(record.exc_info is not None for record in caplog.records)


def test_a_cause_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(slots=5)
    rig.runner.explode = lambda feeds: any(rig.runner.rows[f.slot][:1] == [98] for f in feeds)
    bad = []
    for _ in range(30):
        good = [rig.submit("a", max_tokens=2) for _ in range(2)]
        bad.append(rig.submit("b", max_tokens=2))
        rig.finish()
        assert all(isinstance(rig.events[request][-1], Finished) for request in good)
    assert all(isinstance(rig.events[request][-1], Failed) for request in bad)
    assert logged(caplog) == (1, 1)


def test_another_cause_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.runner.explode = lambda feeds: True
    rig.submit("a")
    rig.finish()
    rig.runner.explode = lambda feeds: False
    rig.runner.continuation = lambda tokens: {}[0]
    rig.submit("a")
    rig.finish()
    assert logged(caplog) == (2, 2)


def test_a_failed_step_says_what_failed_in_one_line() -> None:
    rig = Rig()

    def fail(tokens: list[int]) -> int:
        raise ValueError("a reason\nof many lines " + "x" * 5000)

    rig.runner.continuation = fail
    request = rig.submit("a")
    rig.finish()
    end = rig.events[request][-1]
    assert isinstance(end, Failed)
    assert end.message.startswith("this request could not be computed (ValueError: a reason of ")
    assert len(end.message) < 500
    assert not end.engine_died


def test_a_request_that_cannot_begin_fails_alone() -> None:
    rig = Rig(slots=4)
    rig.runner.refuse = lambda prompt_ids: prompt_ids[0] == ord("b")
    requests = [rig.submit(text, max_tokens=2) for text in "abcb"]
    again = rig.submit("x", max_tokens=2)
    rig.finish()
    kinds = [[type(event) for event in rig.events[request]] for request in requests]
    assert [kind[-1] for kind in kinds] == [Finished, Failed, Finished, Failed]
    assert Started not in kinds[1]
    assert [rig.text(requests[0]), rig.text(requests[2]), rig.text(again)] == ["abc", "cde", "xyz"]


class Broken:
    """A tokenizer that cannot decode one token."""

    def __init__(self, token: int) -> None:
        self.token = token

    def decode(self, ids: list[int], **options: bool) -> str:
        if self.token in ids:
            raise UnicodeError(f"no text for {self.token}")
        return bytes(ids).decode()


@pytest.mark.parametrize("when", ["in the prompt", "while it generates"])
def test_a_token_that_cannot_be_decoded_fails_its_own_request(when: str) -> None:
    rig = Rig(slots=4)
    rig.engine._decode = decoder(Broken(ord("m")))
    bad = rig.submit("m" if when == "in the prompt" else "k", max_tokens=9)
    good = [rig.submit(text, max_tokens=9) for text in "an"]
    rig.finish()
    assert isinstance(rig.events[bad][-1], Failed)
    assert "no text for 109" in rig.events[bad][-1].message
    assert [rig.text(request) for request in good] == ["abcdefghij", "nopqrstuvw"]


def test_a_failed_copy_fails_the_requests_in_its_slots() -> None:
    rig = Rig(slots=3)
    requests = [rig.submit("a", max_tokens=2), *(rig.submit(text, max_tokens=9) for text in "xk")]
    rig.engine.step()
    swap = rig.runner.swap

    def fail(first: int, second: int) -> None:
        swap(first, second)
        raise RuntimeError("out of memory")

    rig.runner.swap = fail  # type: ignore[method-assign]
    rig.finish()
    ends = [type(rig.events[request][-1]) for request in requests]
    assert ends[0] is Finished, "it ended before the copy"
    assert Failed in ends
    rig.runner.swap = swap  # type: ignore[method-assign]
    again = rig.submit("p", max_tokens=2)
    rig.finish()
    assert rig.text(again) == "pqr"


def test_a_request_that_a_failed_copy_ended_is_not_fed_again() -> None:
    rig = Rig(slots=4)
    requests = [rig.submit(text, max_tokens=9) for text in "abcd"]
    rig.engine.step()

    def fail(first: int, second: int) -> None:
        raise RuntimeError("out of memory")

    rig.runner.swap = fail  # type: ignore[method-assign]
    # The first request fails and leaves slot 0. The last one, of the same step, is moved into it.
    rig.runner.explode = lambda feeds: feeds[0].slot == 0
    rig.engine.step()
    assert [type(rig.events[request][-1]) for request in (requests[0], requests[3])] == [Failed] * 2
    assert all(feed.slot >= 0 for feeds in rig.runner.steps for feed in feeds)


@pytest.mark.parametrize("moment", ["begin", "swap", "free"])
def test_calls_to_the_engine_do_not_wait_for_a_copy_on_the_device(moment: str) -> None:
    """The event loop of all streams calls `submit`, `cancel` and `progress`."""
    rig = Rig(slots=2)
    first = rig.submit("a", max_tokens=9)
    if moment != "begin":
        rig.submit("b", max_tokens=9)
        rig.engine.step()
        rig.engine.cancel(first)
    copying, go_on = threading.Event(), threading.Event()

    real = getattr(rig.runner, moment)

    def copy(*arguments: object) -> None:
        copying.set()
        assert go_on.wait(30)
        real(*arguments)

    setattr(rig.runner, moment, copy)
    stepping = threading.Thread(target=rig.finish)
    stepping.start()
    assert copying.wait(30)
    called = threading.Event()

    def call() -> None:
        rig.engine.cancel(rig.submit("c"))
        rig.engine.progress()
        called.set()

    calling = threading.Thread(target=call)
    calling.start()
    went_on = called.wait(20)
    go_on.set()
    calling.join(30)
    stepping.join(30)
    assert went_on, "a call waited for the device"


def test_a_lost_device_ends_the_engine() -> None:
    rig = Rig()
    rig.submit("a")
    rig.runner.lost = True
    with pytest.raises(DeviceLost):
        rig.engine.step()


def test_decode_and_prefill_share_a_step() -> None:
    rig = Rig(prefill_tokens=4)
    rig.submit("a", max_tokens=40)
    rig.engine.step()
    rig.submit("xy", max_tokens=1)
    rig.engine.step()
    assert [list(feed.ids) for feed in rig.runner.steps[-1]] == [[ord("b")], [ord("x"), ord("y")]]


def test_the_thread_serves_and_close_cancels() -> None:
    rig = Rig()
    enough = threading.Event()
    rig.runner.continuation = lambda tokens: enough.set() or 97 if len(tokens) > 20 else 97  # type: ignore[func-returns-value]
    rig.engine.start()
    request = rig.submit("a", max_tokens=10**9)
    assert enough.wait(5)
    rig.engine.close()
    assert rig.events[request][-1].reason is Reason.CANCELLED
    assert sum(rig.engine.progress()) == 0


def test_the_death_of_the_thread_is_reported() -> None:
    told: list[BaseException] = []
    died = threading.Event()

    def on_death(error: BaseException) -> None:
        told.append(error)
        died.set()

    def broken(events: list[tuple[int, Event]]) -> None:
        raise OSError("nobody there")

    engine = Engine(
        FakeRunner(successor, 1),
        ByteTokenizer(),
        Scheduler(1, 1, 8),
        frozenset(),
        broken,
        on_death,
    )
    engine.start()
    engine.submit(Request((97,), 1))
    assert died.wait(PATIENCE)
    assert isinstance(told[0], OSError)


def test_running_and_waiting_requests_fail_when_the_thread_dies() -> None:
    rig = Rig(slots=1)
    requests = [rig.submit("a", max_tokens=10**9), rig.submit("b")]
    rig.engine.step()
    rig.runner.lost = True
    rig.engine.start()
    rig.engine._thread.join(PATIENCE)
    for request in requests:
        assert isinstance(rig.events[request][-1], Failed)
        assert "DeviceLost" in rig.events[request][-1].message
        assert rig.events[request][-1].engine_died
    assert sum(rig.engine.progress()) == 0
    with pytest.raises(EngineDead):
        rig.submit("c")
