"""Models by the names Neuronpedia gives them, each with the source served unless others are named.

What sources there are comes from SAELens' registry (registry.py); only what the registry does not
say is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass

from axon_inference.catalog.registry import Release, releases_for


@dataclass(frozen=True)
class Preset:
    """A model of the hub.

    `repository` is its Hugging Face repository, `trained_on` the registry's name for it,
    `parameters` their number in millions, without parts that Axon leaves out (vision).
    """

    repository: str
    parameters: int
    release: str
    sae_id: str
    trained_on: str = ""

    @property
    def releases(self) -> list[Release]:
        """All sets of SAEs that were trained on it and that Axon serves."""
        return releases_for((self.trained_on or self.repository,))

    @property
    def gated(self) -> bool:
        """Whether its owner asks for an account that has accepted the licence."""
        return self.repository.startswith(("google/gemma", "meta-llama/"))


def _qwen_3(size: str, parameters: int, low_l0: bool = False) -> Preset:
    release = f"mwhanna-qwen3-{size}-transcoders" + ("-lowl0" if low_l0 else "")
    name = f"qwen3-{size}"
    return Preset(f"Qwen/Qwen3-{size.upper()}", parameters, release, "layer_14", trained_on=name)


def _qwen_scope_3_5(size: str, parameters: int, layer: int, about: str) -> Preset:
    release = f"qwen-scope-3.5-{size.lower()}-{about}"
    return Preset(f"Qwen/Qwen3.5-{size}", parameters, release, f"layer{layer}")


def _gemma_2(name: str, parameters: int, sae_id: str) -> Preset:
    size = name.removeprefix("gemma-2-")
    trained = size if size.endswith("-it") else f"{size}-pt"
    release = f"gemma-scope-{trained}-res-canonical"
    return Preset(f"google/{name}", parameters, release, sae_id, trained_on=name)


def _gemma_3(model: str, parameters: int, layer: int) -> Preset:
    size = model.removeprefix("gemma-3-")
    trained = size if size.endswith(("-it", "-pt")) else f"{size}-pt"
    return Preset(
        f"google/{model}",
        parameters,
        f"gemma-scope-2-{trained}-res",
        f"layer_{layer}_width_16k_l0_medium",
    )


PRESETS = {
    "gpt2-small": Preset(
        "openai-community/gpt2",
        124,
        "gpt2-small-res-jb",
        "blocks.8.hook_resid_pre",
        trained_on="gpt2-small",
    ),
    "pythia-70m-deduped": Preset(
        "EleutherAI/pythia-70m-deduped",
        70,
        "pythia-70m-deduped-res-sm",
        "blocks.3.hook_resid_post",
        trained_on="pythia-70m-deduped",
    ),
    "gemma-2b": Preset(
        "google/gemma-2b",
        2506,
        "gemma-2b-res-jb",
        "blocks.6.hook_resid_post",
        trained_on="gemma-2b",
    ),
    "gemma-2b-it": Preset(
        "google/gemma-2b-it",
        2506,
        "gemma-2b-it-res-jb",
        "blocks.12.hook_resid_post",
        trained_on="gemma-2b-it",
    ),
    "gemma-2-2b": _gemma_2("gemma-2-2b", 2614, "layer_12/width_16k/canonical"),
    "gemma-2-9b": _gemma_2("gemma-2-9b", 9242, "layer_20/width_16k/canonical"),
    "gemma-2-9b-it": _gemma_2("gemma-2-9b-it", 9242, "layer_20/width_16k/canonical"),
    "gemma-2-27b": _gemma_2("gemma-2-27b", 27227, "layer_22/width_131k/canonical"),
    "gemma-3-270m": _gemma_3("gemma-3-270m", 268, 9),
    "gemma-3-270m-it": _gemma_3("gemma-3-270m-it", 268, 9),
    "gemma-3-1b": _gemma_3("gemma-3-1b-pt", 1000, 13),
    "gemma-3-1b-it": _gemma_3("gemma-3-1b-it", 1000, 13),
    "gemma-3-4b": _gemma_3("gemma-3-4b-pt", 3880, 17),
    "gemma-3-4b-it": _gemma_3("gemma-3-4b-it", 3880, 17),
    "gemma-3-12b": _gemma_3("gemma-3-12b-pt", 11766, 24),
    "gemma-3-12b-it": _gemma_3("gemma-3-12b-it", 11766, 24),
    "gemma-3-27b": _gemma_3("gemma-3-27b-pt", 27009, 31),
    "gemma-3-27b-it": _gemma_3("gemma-3-27b-it", 27009, 31),
    "llama3-8b-it": Preset(
        "meta-llama/Meta-Llama-3-8B-Instruct",
        8030,
        "llama-3-8b-it-res-jh",
        "blocks.25.hook_resid_post",
    ),
    "llama3.1-8b": Preset("meta-llama/Llama-3.1-8B", 8030, "llama_scope_lxr_8x", "l15r_8x"),
    "llama3.1-8b-it": Preset(
        "meta-llama/Llama-3.1-8B-Instruct",
        8030,
        "llama-3.1-8b-instruct-andyrdt",
        "resid_post_layer_15_trainer_1",
    ),
    "llama3.3-70b-it": Preset(
        "meta-llama/Llama-3.3-70B-Instruct", 70554, "goodfire-llama-3.3-70b-instruct", "layer_50"
    ),
    "deepseek-r1-distill-llama-8b": Preset(
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
        8030,
        "llama_scope_r1_distill",
        "l15r_800m_slimpajama",
    ),
    "mistral-7b": Preset(
        "mistralai/Mistral-7B-v0.1",
        7242,
        "mistral-7b-res-wg",
        "blocks.16.hook_resid_pre",
        trained_on="mistral-7b",
    ),
    "gpt-oss-20b": Preset(
        "openai/gpt-oss-20b", 20915, "gpt-oss-20b-andyrdt", "resid_post_layer_11_trainer_0"
    ),
    "qwen2.5-7b-it": Preset(
        "Qwen/Qwen2.5-7B-Instruct",
        7616,
        "qwen2.5-7b-instruct-andyrdt",
        "resid_post_layer_15_trainer_1",
    ),
    "qwen3-0.6b": _qwen_3("0.6b", 596, low_l0=True),
    "qwen3-1.7b": _qwen_3("1.7b", 1721, low_l0=True),
    "qwen3-4b": _qwen_3("4b", 4022),
    "qwen3-8b": _qwen_3("8b", 8191),
    "qwen3-14b": _qwen_3("14b", 14768),
    "qwen3-1.7b-base": Preset(
        "Qwen/Qwen3-1.7B-Base", 1721, "qwen-scope-3-1.7b-base-w32k-l50", "layer14"
    ),
    "qwen3-30b-a3b-base": Preset(
        "Qwen/Qwen3-30B-A3B-Base", 30532, "qwen-scope-3-30b-a3b-base-w32k-l50", "layer24"
    ),
    "qwen3-8b-base": Preset("Qwen/Qwen3-8B-Base", 8191, "qwen-scope-3-8b-base-w64k-l50", "layer18"),
    # As many parameters as their names say.
    "qwen3.5-2b-base": _qwen_scope_3_5("2B-Base", 2000, 12, "w32k-l50"),
    "qwen3.5-9b-base": _qwen_scope_3_5("9B-Base", 9000, 16, "w64k-l50"),
    "qwen3.5-27b": _qwen_scope_3_5("27B", 27000, 32, "w80k-l50"),
    "qwen3.5-35b-a3b-base": _qwen_scope_3_5("35B-A3B-Base", 35000, 20, "w32k-l50"),
}
