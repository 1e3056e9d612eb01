"""Each change that an explanation reports is that of one run of TransformerLens with one hook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from axon_inference.engine import explanations
from axon_inference.engine.base import Base, Room
from axon_inference.engine.effects import Effects, Explained, Explaining, Query, Removal
from axon_inference.engine.effects import Path as Told
from axon_inference.engine.engine import Engine
from axon_inference.engine.events import Event, Finished, Tokens
from axon_inference.engine.requests import MAX_FEATURES, Change, Edit, Request, Sampling
from axon_inference.engine.scheduler import Scheduler

from .. import tiny
from . import reference
from .test_edits import ARCHITECTURES, ATOL, PROMPTS, Subject

LIMIT = 16


class Rig:
    """An engine over a subject's runner, stepped by hand, with so many slots."""

    def __init__(self, subject: Subject, slots: int = 8, prefill_tokens: int = 64) -> None:
        self.subject, self.events = subject, dict[int, list[Event]]()
        loaded = subject.bench.loaded
        self.engine = Engine(
            runner=loaded.runner,
            tokenizer=loaded.tokenizer,
            scheduler=Scheduler(slots, 8, prefill_tokens),
            eos_ids=frozenset(),
            publish=self._publish,
            explainer=loaded.explainer,
        )

    def _publish(self, events: list[tuple[int, Event]]) -> None:
        for number, event in events:
            self.events.setdefault(number, []).append(event)

    def query(self, prompt: list[int], **wanted: object) -> Query:
        sources = tuple(range(len(self.subject.saes)))
        given = {"limit": LIMIT, "prompt_length": len(prompt), "sources": sources, **wanted}
        return Query(tuple(prompt), None, None, has_bos=True, **given)  # type: ignore[arg-type]

    def run(
        self, *queries: Query, beside: Callable[[int], None] = lambda step: None
    ) -> list[Found]:
        """What comes of queries; `beside` is called before each step."""
        ids = [self.engine.explain(query) for query in queries]
        step = 0
        while sum(self.engine.progress()):
            beside(step)
            self.engine.step()
            step += 1
        return [Found(query, self.events.pop(i)) for query, i in zip(queries, ids, strict=True)]


class Found:
    """The events of one explanation."""

    def __init__(self, query: Query, events: Sequence[Event]) -> None:
        self.query = query
        self.started, *rest, self.summary = events
        assert isinstance(self.started, Explaining), events
        assert isinstance(self.summary, Explained), events
        self.paths = [event for event in rest if isinstance(event, Told)]
        told = [one for event in rest if isinstance(event, Effects) for one in event.effects]
        assert sorted(told, key=repr) == sorted(self.summary.effects, key=repr)


def check(subject: Subject, found: Found) -> None:
    """All that is reported agrees with hooks."""
    query, started = found.query, found.started
    ids = list(query.token_ids)
    plain = reference.touched(subject.bridge, subject.saes, ids, query.edits, query.prompt_length)
    before = plain.logits[-1].log_softmax(-1)
    target, rival = started.target.token_id, started.rival.token_id
    assert started.target.logprob == pytest.approx(float(before[target]), abs=1e-4)
    assert started.rival.logprob == pytest.approx(float(before[rival]), abs=1e-4)
    best = before.topk(2).indices.tolist()
    assert target == best[0]
    assert rival == best[1]
    near = sum(int(((after[1:].abs() <= ATOL) & (after[1:] != 0)).sum()) for after in plain.after)
    active = sum(int((plain.after[source][1:] > 0).sum()) for source in query.sources)
    assert abs(found.summary.active - active) <= near
    assert found.summary.tried == min(query.limit, found.summary.active)
    changes = [abs(one.logprob) for one in found.summary.effects]
    assert changes == sorted(changes, reverse=True)
    for one in found.summary.effects:
        source, feature, position = one.removal
        activations = plain.after[source][1 if position is None else position :, feature]
        largest = activations.max() if position is None else activations[0]
        assert one.activation == pytest.approx(float(largest), abs=ATOL, rel=2e-4)
        silent = silencing(one.removal, plain.after[source][:, feature], bool(query.edits))
        without = reference.touched(
            subject.bridge, subject.saes, ids, (*query.edits, *silent), query.prompt_length
        )
        after = without.logits[-1].log_softmax(-1)
        assert one.logprob == pytest.approx(float(after[target] - before[target]), abs=1e-4)
        change = after[target] - after[rival] - before[target] + before[rival]
        assert one.logit == pytest.approx(float(change), abs=2e-4)


def silencing(removal: Removal, left: torch.Tensor, edited: bool) -> list[Edit]:
    """Edits that silence a feature whose activations [tokens] are `left` so far. Edits add up, so
    where it may be edited already, what is left of it is taken away."""
    source, feature, position = removal
    if not edited:
        return [Edit(source, feature, Change.SCALE, 0, first=position or 0, last=position)]
    places = range(1, len(left)) if position is None else [position]
    return [
        Edit(source, feature, Change.ADD, -float(left[n]), everywhere=True, first=n, last=n)
        for n in places
        if left[n] > 0
    ]


def three(folder: Path, architecture: str, hook: str, **about: object) -> list[Path]:
    """An SAE at the same hook point of the first, a middle and the last layer."""
    hooks = [hook.replace(f"blocks.{hook.split('.')[1]}", f"blocks.{n}") for n in range(3)]
    return [
        tiny.sae_folder(folder / f"sae{n}", architecture, hook, **about)
        for n, hook in enumerate(hooks)
    ]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explanations need not wait for their share of the time."""
    monkeypatch.setattr(explanations, "_SHARE", 1)


def explain(subject: Subject) -> None:
    """Alone; and beside streams, which do not notice."""
    rig = Rig(subject)
    queries = [rig.query(subject.prompt(text)) for text in (PROMPTS[2], PROMPTS[0])]
    alone = rig.run(*queries)
    for found in alone:
        check(subject, found)
    requests = [
        Request(tuple(subject.prompt(text)), 30, Sampling(temperature=0), has_bos=True)
        for text in PROMPTS[1:4]
    ]
    plain = [tokens(rig, rig.engine.submit(request)) for request in requests]
    numbers = [rig.engine.submit(request) for request in requests]
    for found in rig.run(*queries):
        check(subject, found)
    for number, want in zip(numbers, plain, strict=True):
        assert [t.token_id for t in of(rig.events.pop(number))] == [t.token_id for t in want]


def tokens(rig: Rig, number: int) -> list[object]:
    while sum(rig.engine.progress()):
        rig.engine.step()
    return of(rig.events.pop(number))


def of(events: Sequence[Event]) -> list:
    assert isinstance(events[-1], Finished)
    return [token for event in events if isinstance(event, Tokens) for token in event.tokens]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("case", ARCHITECTURES)
def test_architectures(case: str, tmp_path: Path) -> None:
    architecture, hook, about = ARCHITECTURES[case]
    folder = tiny.gpt2_folder(tmp_path / "model")
    explain(Subject.load(folder, three(tmp_path, architecture, hook, **about)))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("family", sorted(set(tiny.FAMILIES) - {"gemma3", *tiny.RECURRENT}))
def test_families(family: str, tmp_path: Path) -> None:
    folder = tiny.family_folder(tmp_path / "model", family)
    explain(Subject.load(folder, three(tmp_path, "jumprelu", "blocks.0.hook_resid_post")))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("slots", [1, 2, 5])
def test_under_edits_in_parts_and_with_few_slots(slots: int, tmp_path: Path) -> None:
    """Edits of the features that are removed, and of others; some are active by edits alone. And
    generations that come take the slots."""
    folder = tiny.gpt2_folder(tmp_path / "model")
    subject = Subject.load(folder, three(tmp_path, "jumprelu", "blocks.0.hook_resid_post"))
    prompt = subject.prompt(PROMPTS[2])
    (one, two), (three_, _) = (subject.firing(prompt, source, 2) for source in (0, 1))
    edits = (
        Edit(0, one, Change.SET, 4.0),
        Edit(0, two, Change.SWAP, swap_with=one),
        Edit(0, 9, Change.ADD, 3.0, everywhere=True),
        Edit(1, three_, Change.SCALE, 0, last=4),
    )
    rig = Rig(subject, slots, prefill_tokens=2)
    query = rig.query(prompt, edits=edits, limit=40)

    def beside(step: int) -> None:
        if step in (3, 8, 15):
            prompt = tuple(subject.prompt(PROMPTS[0]))
            rig.engine.submit(Request(prompt, 3, Sampling(temperature=0), has_bos=True))

    [found] = rig.run(query, beside=beside)
    check(subject, found)
    removed = {one.removal[:2] for one in found.summary.effects}
    assert removed & {(0, one), (0, 9)}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("prefill_tokens", [1, 64])
def test_paths(prefill_tokens: int, tmp_path: Path) -> None:
    """What a removal does to the features of the next source, at one position and everywhere."""
    folder = tiny.gpt2_folder(tmp_path / "model")
    subject = Subject.load(folder, three(tmp_path, "standard", "blocks.0.hook_resid_post"))
    prompt = subject.prompt(PROMPTS[2])
    [feature] = subject.firing(prompt, 0, 1)
    plain = reference.touched(subject.bridge, subject.saes, prompt, (), len(prompt))
    active = [n for n in range(1, len(prompt)) if plain.before[0][n, feature] > 0]
    for position in (active[0], None):
        rig = Rig(subject, prefill_tokens=prefill_tokens)
        query = rig.query(
            prompt, sources=(2,), path=Removal(0, feature, position), path_source=1, limit=3
        )
        [found] = rig.run(query)
        check(subject, found)
        [path] = found.paths
        silent = Edit(0, feature, Change.SCALE, 0, first=position or 0, last=position)
        without = reference.touched(subject.bridge, subject.saes, prompt, (silent,), len(prompt))
        before, after = (one.before[1].clamp_min(0) for one in (plain, without))
        told = {(one.position, one.feature): one for one in path.effects}
        sizes = [abs(one.after - one.before) for one in path.effects]
        assert sizes == sorted(sizes, reverse=True)
        # The largest are told, as many as there may be, and none that is below a thousandth.
        least = sizes[-1] if len(sizes) == MAX_FEATURES else 0
        change = (after - before).abs()
        changed = change > torch.clamp(2e-3 * before.maximum(after), min=least) + 2 * ATOL
        assert {(at, number) for at, number in changed.nonzero().tolist()} <= set(told)
        for (at, number), one in told.items():
            assert one.before == pytest.approx(float(before[at, number]), abs=ATOL, rel=2e-4)
            assert one.after == pytest.approx(float(after[at, number]), abs=ATOL, rel=2e-4)


def gradient(subject: Subject, prompt: list[int], target: int, rival: int) -> list[torch.Tensor]:
    """Of each source, by how much target less rival changes with each activation [tokens, width],
    by autograd through all of the reference."""
    moved = [torch.zeros(1, len(prompt), sae.cfg.d_in, requires_grad=True) for sae in subject.saes]
    hooks = [
        (sae.cfg.metadata.hook_name, lambda x, hook, one=one: x + one)
        for sae, one in zip(subject.saes, moved, strict=True)
    ]
    logits = subject.bridge.run_with_hooks(torch.tensor([prompt]), fwd_hooks=hooks)[0, -1]
    found = torch.autograd.grad(logits[target] - logits[rival], moved)
    return [grad[0] @ sae.W_dec.T.detach() for grad, sae in zip(found, subject.saes, strict=True)]


@pytest.mark.parametrize("family", ["gemma2", "gpt2"])
@pytest.mark.parametrize("hook", ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post"])
def test_estimates_are_the_gradient_in_however_many_parts(
    family: str, hook: str, tmp_path: Path
) -> None:
    folder = tiny.family_folder(tmp_path / "model", family)
    subject = Subject.load(folder, three(tmp_path, "standard", hook))
    prompt = subject.prompt(PROMPTS[1])
    query, slots = Rig(subject).query(prompt), 8
    for tokens in (3, 12, 64):
        base = Base(query, subject.bench.loaded.explainer)
        while not base.is_read:
            base.read(Room(0, slots, tokens))
        parts = 0
        while not base.is_estimated:
            base.estimate(Room(0, slots, tokens))
            parts += 1
        assert (parts == 1) == (tokens > 3 * len(prompt))
        [slot] = base.used
        subject.runner.free(slot)
        assert base.estimates is not None
        grads = gradient(subject, prompt, base.target.token_id, base.rival.token_id)
        tried = base.candidates
        slopes = torch.stack(grads)[tried.source, tried.position, tried.feature]
        want = -slopes * torch.from_numpy(tried.activation)
        assert want.abs().max() > 1e-3
        found = torch.from_numpy(base.estimates)
        torch.testing.assert_close(found, want, atol=1e-4 * float(want.abs().max()), rtol=1e-3)


def test_next_sources(tmp_path: Path) -> None:
    """By the order in which a pass feeds hook points, whatever the order of the sources."""
    folder = tiny.gpt2_folder(tmp_path / "model")
    hooks = ("blocks.2.hook_resid_pre", "blocks.0.hook_mlp_out", "blocks.0.hook_resid_post")
    saes = [tiny.sae_folder(tmp_path / hook, "standard", hook) for hook in hooks]
    assert Subject.load(folder, saes).bench.loaded.served.above == (None, 2, 0)
