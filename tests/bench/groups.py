"""The measurements. Contestants that are compared belong to one group and take turns."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from axon_inference.engine.requests import Branch, Change, Edit

from . import fanout as hall
from . import figures, memory, recording
from .bandwidth import Bandwidth, weights_read
from .hugging import HuggingFace
from .naive import Naive
from .ours import Ours
from .over_grpc import Server
from .parity import ParityFailed
from .stats import Measured, Say, ratio, take_turns
from .subject import Subject, prompt

PROMPT_TOKENS = 12
#: Staggered streams arrive evenly over this many steps, whatever their number.
ARRIVING_OVER = 8
SLOTS = 32
#: Seconds within which all viewers vote.
VOTED_WITHIN = 2.0
#: Viewers that never read, besides all those that do.
STALLED = 10


@dataclass(frozen=True)
class Plan:
    """The sizes and lengths of all measurements; QUICK only shows that they work."""

    rounds: int = 5
    new: int = 40
    long: int = 200
    crowd: int = 24
    instant: int = 500
    requests: int = 10_000
    #: Fan-out: the viewers, the events of a round, the events in the log that late viewers get, and
    #: the events of a round at full speed.
    viewers: int = 2_000
    events: int = 200
    history: int = 2_500
    flood: int = 100
    #: Lines that are recorded.
    lines: int = 500


QUICK = Plan(
    rounds=1,
    new=8,
    long=24,
    crowd=9,
    instant=20,
    requests=300,
    viewers=200,
    events=40,
    history=1_000,
    flood=40,
    lines=60,
)


@dataclass
class Results:
    """Figures by key, rates by contestant, and the reasons for missing figures."""

    figures: dict[str, Measured] = field(default_factory=dict)
    rates: dict[str, Measured] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add_rates(self, unit: str, found: Mapping[str, Sequence[float]]) -> None:
        """Keep the contestants' rates, besides the ratios computed from them."""
        for name, values in found.items():
            self.rates[f"{name} {unit}"] = Measured.of(values)


@dataclass
class Bench:
    """What the groups share; models are loaded when a group first needs them."""

    subject: Subject
    plan: Plan
    device: str
    say: Say

    @cached_property
    def ours(self) -> Ours:
        """Axon's engine, with slots for the largest group."""
        return Ours(self.subject, device=self.device, slots=SLOTS)

    @cached_property
    def naive(self) -> Naive:
        """The reference."""
        return Naive(self.subject, self.device)

    @cached_property
    def bandwidth(self) -> Bandwidth:
        """The measurement of the memory's bandwidth."""
        return Bandwidth(self.device)

    def text(self, seed: int, tokens: int = PROMPT_TOKENS) -> str:
        """A prompt of `tokens` tokens, including BOS."""
        return prompt(self.ours.loaded.served.encode, tokens - 1, seed)

    def prompts(self, count: int) -> list[list[int]]:
        """Prompts of the usual length."""
        return [self.ours.prompt_ids(self.text(seed)) for seed in range(count)]

    def take_turns(self, **contestants: Callable[[], float]) -> dict[str, list[float]]:
        """Run these contestants for the planned number of rounds."""
        return take_turns(contestants, self.plan.rounds, self.say)


def streams(bench: Bench, results: Results) -> None:
    """1, 8 and 32 streams, compared with the reference and with the memory's bandwidth."""
    ours, new = bench.ours, bench.plan.new
    requests = [ours.request(ids, new) for ids in bench.prompts(SLOTS)]
    decode_steps: list[float] = []

    def single() -> float:
        run = ours.run(requests[:1])
        decode_steps.append(run.decode_step)
        return run.rate

    found = bench.take_turns(
        naive=lambda: bench.naive.rate(requests[0].prompt_ids, new),
        memory=lambda: bench.bandwidth.measure() / 1e9,
        single=single,
        eight=lambda: ours.run(requests[:8], ARRIVING_OVER).rate,
        thirtytwo=lambda: ours.run(requests, ARRIVING_OVER).rate,
    )
    for name in ("single", "eight", "thirtytwo"):
        results.figures[f"{name}_vs_naive"] = ratio(found[name], found["naive"])
    needed = weights_read(bench.subject) / 1e9
    reading = [needed / seconds for seconds in decode_steps]
    results.figures["bandwidth_share"] = ratio(reading, found["memory"])
    results.rates["memory GB/s"] = Measured.of(found.pop("memory"))
    results.rates["single decode step ms"] = Measured.of([1e3 * s for s in decode_steps])
    results.add_rates("tokens/s", found)


def long_stream(bench: Bench, results: Results) -> None:
    """One long stream; the reference's time is integrated over its lengths."""
    ours, new = bench.ours, bench.plan.long
    request = ours.request(bench.prompts(1)[0], new)
    found = bench.take_turns(
        naive_200=lambda: bench.naive.rate_by_lengths(PROMPT_TOKENS, new, every=25),
        single_200=lambda: ours.run([request]).rate,
    )
    results.figures["single_vs_naive_200"] = ratio(found["single_200"], found["naive_200"])
    results.add_rates("tokens/s", found)


def tap(bench: Bench, results: Results) -> None:
    """Eight streams with and without the SAE."""
    ours, new = bench.ours, bench.plan.new
    prompts = bench.prompts(8)
    found = bench.take_turns(
        tap_on=lambda: ours.run([ours.request(ids, new) for ids in prompts]).rate,
        tap_off=lambda: ours.run([ours.request(ids, new, features=0) for ids in prompts]).rate,
    )
    results.figures["tap_on_vs_off"] = ratio(found["tap_on"], found["tap_off"])
    results.add_rates("tokens/s", found)


def edits(bench: Bench, results: Results) -> None:
    """Eight streams with and without edits; two branches and two requests."""
    ours, new = bench.ours, bench.plan.new
    plain = [ours.request(ids, new) for ids in bench.prompts(8)]
    # Each edits another feature, as different people would.
    changes = [Edit(0, n, Change.ADD, value=1.0, everywhere=True) for n in range(8)]
    edited = [
        replace(request, branches=(Branch(edits=(edit,)),))
        for request, edit in zip(plain, changes, strict=True)
    ]
    twin = replace(plain[0], branches=(Branch(), *edited[0].branches))
    found = bench.take_turns(
        edited=lambda: ours.run(edited).rate,
        plain=lambda: ours.run(plain).rate,
        twin=lambda: ours.run([twin]).rate,
        two=lambda: ours.run(plain[:2]).rate,
    )
    results.figures["edit_cost"] = ratio(found["edited"], found["plain"])
    results.figures["twin_vs_two"] = ratio(found["twin"], found["two"])
    results.add_rates("tokens/s", found)


def explain(bench: Bench, results: Results) -> None:
    """An explanation and a pass over its text; eight streams with and without explanations."""
    # Long streams, since an explanation beside them has to earn each of its steps.
    ours, new = bench.ours, bench.plan.long
    prompts = bench.prompts(8)
    plain = [ours.request(ids, new) for ids in prompts]
    found = bench.take_turns(
        explanations=lambda: 1 / ours.explain(prompts[0]),
        passes=lambda: 1 / ours.read(prompts[0]),
        beside=lambda: ours.run(plain, explain=prompts[0]).rate,
        alone=lambda: ours.run(plain).rate,
    )
    results.figures["explain_cost"] = ratio(found["passes"], found["explanations"])
    results.figures["explain_disturbance"] = ratio(found["beside"], found["alone"])
    results.add_rates("/s", {name: found[name] for name in ("explanations", "passes")})
    results.add_rates("tokens/s", {name: found[name] for name in ("beside", "alone")})


def ragged(bench: Bench, results: Results) -> None:
    """Eight slots always in use: by streams of different lengths, and by equal ones in lockstep."""
    ours, new, crowd = bench.ours, bench.plan.new, bench.plan.crowd
    equal = [ours.request(ids, new) for ids in bench.prompts(crowd)]
    # The totals of prompt tokens and new tokens are the same, so only their spread differs.
    prompts, lengths = spread(PROMPT_TOKENS, crowd, 1), spread(new, crowd, 2)
    uneven = [
        ours.request(ours.prompt_ids(bench.text(seed, tokens)), length)
        for seed, (tokens, length) in enumerate(zip(prompts, lengths, strict=True))
    ]
    found = bench.take_turns(
        ragged=lambda: ours.full_house(uneven, 8),
        lockstep=lambda: ours.full_house(equal, 8),
    )
    results.figures["ragged_vs_lockstep"] = ratio(found["ragged"], found["lockstep"])
    results.add_rates("tokens/s", found)


def spread(mean: int, count: int, seed: int) -> list[int]:
    """Lengths from half of the mean to one and a half times the mean, shuffled."""
    lengths = [round(mean * (0.5 + index / (count - 1))) for index in range(count)]
    random.Random(seed).shuffle(lengths)
    return lengths


def hugging_face(bench: Bench, results: Results) -> None:
    """Eight streams, compared with transformers on the same prompts without an SAE."""
    ours, new = bench.ours, bench.plan.new
    prompts = bench.prompts(8)
    requests = [ours.request(ids, new) for ids in prompts]
    theirs = HuggingFace(bench.subject, bench.device, PROMPT_TOKENS + new, len(prompts))
    want = [
        [token.token_id for token in tokens][PROMPT_TOKENS:]
        for tokens in ours.run(requests).streams
    ]
    for way in (theirs.continuous, theirs.padded):
        way(prompts, new)
        _same(way.__name__, theirs.ids, want)
    found = bench.take_turns(
        ours=lambda: ours.run(requests).rate,
        hf_continuous=lambda: theirs.continuous(prompts, new),
        hf_padded=lambda: theirs.padded(prompts, new),
    )
    theirs.close()
    results.figures["vs_hf_generate_batch"] = ratio(found["ours"], found["hf_continuous"])
    results.figures["vs_hf_generate_padded"] = ratio(found["ours"], found["hf_padded"])
    results.add_rates("tokens/s", found)


def over_grpc(bench: Bench, results: Results) -> None:
    """Eight streams at a gRPC client, compared with the engine alone."""
    ours, new = bench.ours, bench.plan.new
    texts = [bench.text(seed) for seed in range(8)]
    requests = [ours.request(ours.prompt_ids(text), new) for text in texts]
    with Server.of(bench.subject, slots=8) as server:
        server.rate(texts, new)
        want = [[token.token_id for token in tokens] for tokens in ours.run(requests).streams]
        _same("gRPC", server.ids, want)
        found = bench.take_turns(
            grpc=lambda: server.rate(texts, new), engine=lambda: ours.run(requests).rate
        )
    results.figures["grpc_vs_engine"] = ratio(found["grpc"], found["engine"])
    results.add_rates("tokens/s", found)


def python(bench: Bench, results: Results) -> None:
    """A runner that answers at once: 64 streams at a gRPC client, 16 through the gateway."""
    new = bench.plan.instant
    used: dict[str, list[float]] = {}
    fake = Server("-m", "tests.bench.instant", AXON_SLOTS="64")
    with fake as server, hall.Stage(server.address) as stage:
        audience = stage.audience()

        def contestant(name: str, streams: int, run: Callable[[], float]) -> Callable[[], float]:
            """Runs `run`, which takes so many seconds for the streams, and notes the CPU time."""

            def rate() -> float:
                processes = {"inference": server, "gateway": stage.gateway}
                before = {of: process.cpu for of, process in processes.items()}
                seconds = run()
                for of, process in processes.items():
                    spent = 1e6 * (process.cpu - before[of]) / (streams * new)
                    used.setdefault(f"{name}, {of}: CPU us a token", []).append(spent)
                return streams * new / seconds

            return rate

        found = bench.take_turns(
            grpc=contestant("gRPC", 64, lambda: server.seconds(["The dog ran"] * 64, new)),
            gateway=contestant(
                "gateway", 16, lambda: audience.ask("alone", viewers=16, events=new)["seconds"]
            ),
        )
    results.figures["python_tokens_per_s_64"] = Measured.of(found["grpc"])
    results.figures["gateway_tokens_per_s_16"] = Measured.of(found["gateway"])
    for name, values in used.items():
        results.rates[name] = Measured.of(values)


def record(bench: Bench, results: Results) -> None:
    """The bundled model's tokens as Parquet, compared with a client that keeps nothing."""
    texts, slots = recording.prompts(bench.plan.lines), 16
    with Server("-m", "axon_inference", AXON_SLOTS=str(slots)) as server:

        def contestant(run: Callable[..., float], new: int) -> Callable[[], float]:
            return lambda: run(server.address, texts, 2 * slots, max_tokens=new)

        recording.dropped(server.address, texts[: 2 * slots], slots)
        found = bench.take_turns(
            record_kept=contestant(recording.kept, 60),
            record_dropped=contestant(recording.dropped, 60),
            read_kept=contestant(recording.kept, 0),
            read_dropped=contestant(recording.dropped, 0),
        )
    results.figures["record_vs_client"] = ratio(found["record_kept"], found["record_dropped"])
    results.figures["record_read_vs_client"] = ratio(found["read_kept"], found["read_dropped"])
    results.add_rates("tokens/s", found)


def _same(what: str, found: list[list[int]], want: list[list[int]]) -> None:
    if found != want:
        raise ParityFailed(f"{what} gives other tokens than the engine")


def resident(bench: Bench, results: Results) -> None:
    """The memory of a serving process; each figure is measured in a fresh process."""
    grown = memory.measure("growth", str(bench.plan.requests))
    bench.say(f"  {bench.plan.requests} requests: " + _listed(grown))
    results.figures["rss_growth_10000_requests_mb"] = Measured.of([grown["growth_mb"]])
    held = memory.measure("held")
    bench.say("  a full cache: " + _listed(held))
    results.figures["memory_vs_weights"] = Measured.of([held["ratio"]])
    for name, value in held.items():
        results.rates[f"memory_vs_weights {name}"] = Measured.of([value])


def _listed(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items())


def fanout(bench: Bench, results: Results) -> None:
    """Many viewers of one generation: delay, deliveries a second, the effect of stalled ones."""
    plan = bench.plan
    events, rate = plan.events, 20.0
    with hall.Stage() as stage:
        audience = stage.audience()
        room = audience.ask("connect", count=plan.viewers)["room"]
        # Afterwards all labels are known and the code is warm. The log is then too large for any
        # kernel buffer, so viewers that stall later really stall.
        audience.ask("play", events=plan.history, rate=0)
        before = stage.gateway.resident
        lost, none, some = [], [], []
        for number in range(plan.rounds):
            quiet = _played(bench, audience, events, rate, "no stalled viewer")
            audience.ask("stall", count=STALLED, room=room)
            if number == 0:
                held = (stage.gateway.resident - before) / STALLED
            stalled = _played(bench, audience, events, rate, f"{STALLED} stalled ones")
            audience.ask("stall", count=0, room=room)
            lost += [quiet["lost"] + stalled["lost"]]
            none.append(quiet["p99_ms"])
            some.append(stalled["p99_ms"])
        used = stage.gateway.cpu
        last = audience.ask("play", events=events, rate=rate)
        used = (stage.gateway.cpu - used) / last["seconds"]
        floods = [audience.ask("play", events=plan.flood, rate=0) for _ in range(plan.rounds)]
        votes = [audience.ask("vote", seconds=VOTED_WITHIN) for _ in range(plan.rounds)]
        frames = [frame.encode() for frame in audience.ask("frames")]
        results.figures["upstream_streams"] = Measured.of([stage.script.most_open])
    rates = [flood["deliveries"] / flood["seconds"] for flood in floods]
    looped = [_send_json(plan.viewers, frames) for _ in range(plan.rounds)]
    results.figures["fanout_p99_ms"] = Measured.of(none)
    missing = sum(lost) + sum(one["lost"] for one in (*floods, *votes))
    results.figures["fanout_lost"] = Measured.of([missing])
    results.figures["tally_2000_p99_ms"] = Measured.of([one["p99_ms"] for one in votes])
    results.figures["fanout_stalled"] = ratio(some, none)
    results.figures["fanout_vs_sendjson"] = ratio(rates, looped)
    results.add_rates("deliveries/s", {"fanout": rates, "send_json": looped})
    results.rates["fanout cores"] = Measured.of([used])
    results.rates["fanout_stalled MiB a viewer"] = Measured.of([held])


def _played(
    bench: Bench, audience: hall.Audience, events: int, rate: float, what: str
) -> dict[str, float]:
    found = audience.ask("play", events=events, rate=rate)
    times = ", ".join(f"{name[:-3]} {found[name]:.0f}" for name in ("p50_ms", "p99_ms", "max_ms"))
    bench.say(f"  {what}: {times} ms, {found['bytes']:.0f} bytes an event, lost {found['lost']:g}")
    return found


def _send_json(viewers: int, frames: list[bytes]) -> float:
    """Deliveries/s of a plain `send_json` loop."""
    with hall.plain(frames) as url, hall.Audience(url, compress=True) as audience:
        seconds: float = audience.ask("count", viewers=viewers, messages=len(frames))["seconds"]
    return viewers * len(frames) / seconds


def gpu(bench: Bench, results: Results) -> None:
    """Only on a GPU: many streams, and captured steps compared with eager ones."""
    new = bench.plan.long
    ours = Ours(bench.subject, device="cuda", slots=64)
    eager = Ours(bench.subject, device="cuda", slots=64, graphs="off")
    requests = [ours.request(ids, new) for ids in bench.prompts(64)]
    ours.run(requests)
    eager.run(requests[:1])
    found = bench.take_turns(
        eager_1=lambda: eager.run(requests[:1]).rate,
        captured_1=lambda: ours.run(requests[:1]).rate,
        captured_64=lambda: ours.run(requests).rate,
    )
    results.figures["graph_vs_eager"] = ratio(found["captured_1"], found["eager_1"])
    results.figures["tokens_per_s_1"] = Measured.of(found["captured_1"])
    results.figures["tokens_per_s_64"] = Measured.of(found["captured_64"])
    results.add_rates("tokens/s", found)


#: The groups of keys and what measures them, in the order in which they run.
GROUPS: tuple[tuple[tuple[str, ...], Callable[[Bench, Results], None]], ...] = (
    (("single_vs_naive", "eight_vs_naive", "thirtytwo_vs_naive", "bandwidth_share"), streams),
    (("single_vs_naive_200",), long_stream),
    (("tap_on_vs_off",), tap),
    (("edit_cost", "twin_vs_two"), edits),
    (("explain_cost", "explain_disturbance"), explain),
    (("ragged_vs_lockstep",), ragged),
    (("vs_hf_generate_batch", "vs_hf_generate_padded"), hugging_face),
    (("grpc_vs_engine",), over_grpc),
    (tuple(figure.key for figure in figures.PYTHON), python),
    (tuple(figure.key for figure in figures.RECORD), record),
    (("rss_growth_10000_requests_mb", "memory_vs_weights"), resident),
    (tuple(figure.key for figure in figures.FANOUT), fanout),
    (("graph_vs_eager", "tokens_per_s_1", "tokens_per_s_64"), gpu),
)
