"""What one process of the benchmark measures: sizes, and the type of the numbers.

Model and SAEs get random weights on the device itself, in GPT-2 small's shape. So neither files nor
a network nor TransformerLens nor SAELens are needed.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import torch
from axon_inference.model import prepack
from axon_inference.model.network import ATTENTION, HookPoint, LanguageModel
from axon_inference.model.sae import SAE, of
from axon_inference.model.sources import Source
from axon_inference.step.graphs import Capture, CudaCapture, Replay
from axon_inference.step.runner import ModelRunner
from torch import Tensor, nn
from torch.nn.functional import normalize

#: The most features of a token and source that a captured step finds, as in the service.
TOP_K = 256
BOS = 0


@dataclass(frozen=True)
class Case:
    """Sizes are GPT-2 small's. `dtype` is float32, bfloat16, or tf32: float32 with products of
    TF32. `sources` is 1 (in the middle) or one for each hook point that GPT-2's SAEs read."""

    dtype: str
    sources: int
    device: str = "cuda:0"
    layers: int = 12
    d_model: int = 768
    heads: int = 12
    vocabulary: int = 50_257
    context: int = 1024
    width: int = 24_576
    l0: int = 50
    streams: tuple[int, ...] = (1, 8, 64)
    prompt: int = 12
    long_prompt: int = 512
    new: int = 200
    rounds: int = 3

    @property
    def name(self) -> str:
        """As it is called in the results."""
        return f"{self.dtype}, {self.sources} source{'s' * (self.sources > 1)}"

    @property
    def precision(self) -> torch.dtype:
        """The type of the model's weights."""
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

    def text(self) -> str:
        """For the command line of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> Case:
        """The case whose `text` this is."""
        values = json.loads(text)
        return cls(**{**values, "streams": tuple(values["streams"])})

    def prompt_ids(self, seed: int, length: int = 0) -> list[int]:
        """A random prompt, BOS first."""
        random = torch.Generator().manual_seed(seed)
        length = length or self.prompt
        return [
            BOS,
            *torch.randint(1, self.vocabulary, (length - 1,), generator=random).tolist(),
        ]


#: What `--rehearse` runs, on the CPU.
TINY = Case(
    "float32",
    3,
    device="cpu",
    layers=2,
    d_model=32,
    heads=4,
    vocabulary=512,
    context=64,
    width=256,
    l0=10,
    streams=(1, 2, 4),
    long_prompt=24,
    new=12,
    rounds=2,
)


@dataclass(frozen=True)
class Subject:
    """The model, its sources, and the same model in float64 with plain attention."""

    network: Any
    exact: Any
    sources: list[Source]


def subject(case: Case) -> Subject:
    """Random weights; those of one device are the same in every process."""
    if case.dtype == "tf32":
        torch.set_float32_matmul_precision("high")
    with torch.inference_mode():
        exact = _network(case)
        network = deepcopy(exact).to(case.precision)
        network.set_attn_implementation(ATTENTION)
        prepack.fuse(network)
        text = torch.tensor([case.prompt_ids(seed, 96 % case.context) for seed in range(28)])
        vectors = residuals(exact, text.to(case.device), points(exact))
        everywhere = points(network)
        middle = len(everywhere) * 2 // 3
        chosen = everywhere if case.sources > 1 else everywhere[middle : middle + 1]
        sources = [_source(case, hook, vectors[hook.name][:, 1:].flatten(0, 1)) for hook in chosen]
        return Subject(network, exact.double(), sources)


def _network(case: Case) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=case.layers,
        n_embd=case.d_model,
        n_head=case.heads,
        vocab_size=case.vocabulary,
        n_positions=case.context,
        # Larger than usual, so that the best token is clear and the text does not repeat one.
        initializer_range=0.1,
        bos_token_id=BOS,
        eos_token_id=BOS,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    with torch.device(case.device):
        return GPT2LMHeadModel(config).eval().requires_grad_(False)


def points(network: Any) -> list[HookPoint]:
    """Where GPT-2 small's SAEs read: before each block, and after the last."""
    blocks, width = network.transformer.h, network.config.hidden_size
    before = [
        HookPoint(f"blocks.{layer}.hook_resid_pre", layer, block, "in", width, passes_by=False)
        for layer, block in enumerate(blocks)
    ]
    last = len(blocks) - 1
    name = f"blocks.{last}.hook_resid_post"
    return [*before, HookPoint(name, last, blocks[last], "out", width, passes_by=False)]


def residuals(network: Any, ids: Tensor, hooks: list[HookPoint]) -> dict[str, Tensor]:
    """The vectors [B, N, d_model] at these hook points in a whole forward pass, and the logits."""
    found: dict[str, Tensor] = {}

    def entering(name: str) -> Any:
        return lambda module, given: found.update({name: given[0]})

    def leaving(name: str) -> Any:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            found[name] = output[0] if isinstance(output, tuple) else output

        return keep

    handles = [
        hook.module.register_forward_pre_hook(entering(hook.name))
        if hook.side == "in"
        else hook.module.register_forward_hook(leaving(hook.name))
        for hook in hooks
    ]
    found["logits"] = network(ids, use_cache=False).logits
    for handle in handles:
        handle.remove()
    return found


def _source(case: Case, hook: HookPoint, vectors: Tensor) -> Source:
    """Random directions; the biases make each feature fire at l0 / width of all positions."""
    torch.manual_seed(1 + hook.layer)
    decoder = normalize(torch.randn(case.width, case.d_model, device=vectors.device), dim=-1)
    mean = vectors.mean(0)
    firing = max(1, round(len(vectors) * case.l0 / case.width))
    threshold = ((vectors - mean) @ decoder.T).topk(firing + 1, dim=0).values[-1]
    config = SimpleNamespace(
        d_sae=case.width,
        d_in=case.d_model,
        normalize_activations="none",
        apply_b_dec_to_input=True,
        architecture=lambda: "standard",
    )
    theirs = SimpleNamespace(
        cfg=config,
        W_enc=decoder.T.contiguous(),
        b_enc=-threshold,
        W_dec=decoder,
        b_dec=mean,
        fold_W_dec_norm=lambda: None,  # they are 1
        to=lambda dtype: theirs,  # it is float32 already
    )
    return Source(f"random/{hook.name}", hook, hook, of(theirs), "standard", True, "")


def encode(sae: SAE, vectors: Tensor) -> Tensor:
    """All activations [N, width] of vectors in float64, by the formula."""
    product: Any = sae.product
    shifted = vectors - sae.b_dec.double()
    found: Tensor = (shifted @ product.weight.double().T + product.bias.double()).relu()
    return found


def runner(case: Case, made: Subject, *, captured: bool = True) -> ModelRunner:
    """A runner that has not been warmed up."""
    device = torch.device(case.device)
    model = LanguageModel(
        id="gpt2-shape",
        network=made.network,
        tokenizer=None,
        config=made.network.config,
        adapter=None,
        device=device,
        dtype=case.precision,
        layers_dtype=case.precision,
        context_length=case.context,
        n_layers=case.layers,
        d_model=case.d_model,
        vocab_size=case.vocabulary,
        bos_id=BOS,
        eos_ids=frozenset(),
    )
    capture = capturing(device) if captured else None
    return ModelRunner(model, made.sources, max(case.streams), TOP_K, capture)


def capturing(device: torch.device) -> Capture:
    """CUDA graphs on a GPU; a rehearsal keeps the function and calls it again."""
    return CudaCapture(device) if device.type == "cuda" else rerun


def rerun(compute: Any) -> Replay:
    """A capture for the CPU."""
    compute()
    replay: Replay = compute
    return replay


def tokenizer(case: Case) -> Any:
    """One in which token 17 is written w17."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {f"w{number}": number for number in range(case.vocabulary)}
    raw = Tokenizer(models.WordLevel(words, unk_token="w0"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return SimpleNamespace(backend_tokenizer=raw)


def text(ids: list[int]) -> str:
    """A prompt of these ids, of which BOS is put before every prompt anyway."""
    return " ".join(f"w{number}" for number in ids[1:])
