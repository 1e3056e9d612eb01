"""Decode steps over the static buffers that CUDA graphs use, without a GPU.

What is captured is run again in place of a replay: same buckets, same padding, same spare
position, same inputs and outputs at fixed addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axon_inference.forward.graphs import Outputs, Replay
from axon_inference.forward.runner import GraphError

from .. import tiny
from . import reference
from .harness import Bench, assert_same

HOOK = "blocks.1.hook_resid_post"
PROMPTS = ["the capital of France is", "a", "a small cat sat on every warm mat", "17 17", "on the"]
LENGTHS = [9, 40, 5, 22, 14]


class Rerun:
    """Captures by remembering the function; counts captures and replays.

    `change` is called after each replay.
    """

    def __init__(self, change: Callable[[], None] = lambda: None) -> None:
        self.captured = self.replayed = 0
        self._change = change

    def __call__(self, compute: Callable[[], None]) -> Replay:
        self.captured += 1
        compute()

        def replay() -> None:
            self.replayed += 1
            compute()
            self._change()

        return replay


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folders(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("graphs")
    make = tiny.gpt2_folder if request.param == "gpt2" else tiny.family_folder
    arguments = () if request.param == "gpt2" else (request.param,)
    model = make(root / "model", *arguments)
    return model, tiny.sae_folder(root / "sae", "jumprelu", HOOK)


def test_replayed_steps_agree_with_the_reference(folders: tuple[Path, Path]) -> None:
    model, sae = folders
    rerun = Rerun()
    bench = Bench.load(model, [sae], slots=5, prefill_tokens=6, capture=rerun)
    bridge, saes = reference.boot(model), reference.load_saes([sae])
    requests = [bench.request(p, n) for p, n in zip(PROMPTS, LENGTHS, strict=True)]
    before = rerun.replayed
    for index, events in enumerate(bench.run(requests, steps_between=3)):
        ids = bench.prompt_ids(PROMPTS[index])
        want = reference.generate(bridge, saes, ids, LENGTHS[index])
        assert_same(events, want, atol=5e-4)
    assert rerun.replayed - before > 20


def test_shapes_are_made_at_start_for_all_rows_and_lengths(folders: tuple[Path, Path]) -> None:
    rerun = Rerun()
    Bench.load(folders[0], [folders[1]], slots=5, capture=rerun)
    assert rerun.captured == 4  # 1, 2, 4 and 5 rows, of one length: the context is short


def test_a_replay_that_differs_is_refused(folders: tuple[Path, Path]) -> None:
    wrong = Rerun(lambda outputs: outputs.logits.add_(0.1))
    with pytest.raises(GraphError, match="logits"):
        Bench.load(folders[0], [folders[1]], capture=wrong)
    wrong = Rerun(lambda outputs: outputs.features[0].activations.mul_(1.1))
    with pytest.raises(GraphError, match="features of source 0"):
        Bench.load(folders[0], [folders[1]], capture=wrong)


def test_what_cannot_be_captured_runs_eagerly(folders: tuple[Path, Path]) -> None:
    def refuse(compute: Callable[[], Outputs]) -> tuple[Replay, Outputs]:
        raise RuntimeError("operation not permitted when stream is capturing")

    bench = Bench.load(folders[0], [folders[1]], capture=refuse)
    [events] = bench.run([bench.request(PROMPTS[0], 5)])
    bridge, saes = reference.boot(folders[0]), reference.load_saes([folders[1]])
    want = reference.generate(bridge, saes, bench.prompt_ids(PROMPTS[0]), 5)
    assert_same(events, want, atol=5e-4)
