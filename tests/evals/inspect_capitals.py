"""Runs a task of inspect_ai against `/v1/chat/completions`; prints JSON.

`python inspect_capitals.py URL FOLDER MODEL EXTRA_BODY`, in the environment of the evaluation
tools. The log is written into FOLDER.
"""

from __future__ import annotations

import json
import sys

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


def task() -> Task:
    samples = [Sample(input="The capital of France is", target="Paris")]
    return Task(dataset=samples, solver=generate(), scorer=includes())


if __name__ == "__main__":
    model = get_model(
        f"openai-api/axon/{sys.argv[3]}",
        base_url=f"{sys.argv[1]}/v1",
        api_key="none",
        config=GenerateConfig(
            temperature=0, max_tokens=4, seed=1, extra_body=json.loads(sys.argv[4])
        ),
    )
    [log] = eval(task(), model=model, log_dir=sys.argv[2], display="none")
    assert log.samples, log.error
    assert log.results, log.error
    print(
        json.dumps(
            {
                "status": log.status,
                "answers": [one.output.completion for one in log.samples],
                "scores": {
                    name: metric.value
                    for score in log.results.scores
                    for name, metric in score.metrics.items()
                },
            }
        )
    )
