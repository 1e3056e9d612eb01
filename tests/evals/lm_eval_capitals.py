"""Runs two tasks of lm_eval against `/v1/completions`, without and with an edit; prints JSON.

`python lm_eval_capitals.py URL TOKENIZER`, in the environment of the evaluation tools.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import datasets
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask

CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Spain": "Madrid"}
#: France's feature becomes Japan's (see the model's card).
SWAP = {"source": "axon-demo/2-res", "feature": 1353, "swap_with": 1683}


def documents(**_: Any) -> dict[str, datasets.Dataset]:
    rows = [{"country": country, "capital": capital} for country, capital in CAPITALS.items()]
    return {"test": datasets.Dataset.from_list(rows)}


def task(name: str, **more: Any) -> ConfigurableTask:
    return ConfigurableTask(
        config={
            "task": name,
            "custom_dataset": documents,
            "test_split": "test",
            "doc_to_text": "The capital of {{country}} is",
            **more,
        }
    )


def scored() -> ConfigurableTask:
    """Which capital is the likeliest: by log-probabilities of the prompt (`echo`)."""
    names = list(CAPITALS.values())
    return task(
        "scored",
        output_type="multiple_choice",
        doc_to_choice=names,
        doc_to_target=lambda doc: names.index(doc["capital"]),
        target_delimiter=" ",
    )


def written() -> ConfigurableTask:
    """Whether the model writes the capital."""
    return task(
        "written",
        output_type="generate_until",
        doc_to_target=" {{capital}}",
        generation_kwargs={"until": [".", "\n"], "max_gen_toks": 1},
        metric_list=[{"metric": "exact_match"}],
    )


def run(which: ConfigurableTask, **more: Any) -> dict[str, Any]:
    told = simple_evaluate(
        model="local-completions",
        model_args={
            "model": "axon-demo",
            "base_url": f"{sys.argv[1]}/v1/completions",
            "tokenizer_backend": "huggingface",
            "tokenizer": sys.argv[2],
            "tokenized_requests": False,
            "num_concurrent": 4,
            "max_length": 128,
        },
        tasks=[which],
        bootstrap_iters=0,
        **more,
    )
    [samples] = told["samples"].values()
    return {
        "results": told["results"],
        "answers": {one["doc"]["country"]: one["resps"] for one in samples},
    }


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "scored": run(scored()),
                "written": run(written()),
                "edited": run(written(), gen_kwargs={"axon": {"edits": [SWAP]}}),
            }
        )
    )
