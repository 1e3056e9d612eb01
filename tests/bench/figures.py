"""All figures of the benchmark: their keys, meanings and targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One key of the result. `target` is None if the figure is only observed."""

    key: str
    about: str
    target: float | None = None
    at_most: bool = False

    def met(self, value: float) -> bool | None:
        """Whether a value reaches the target; None without one."""
        if self.target is None:
            return None
        return value <= self.target if self.at_most else value >= self.target


ENGINE = (
    Figure(
        "single_vs_naive",
        "tokens/s of one stream, 12 prompt + 40 new tokens ÷ HookedTransformer without a cache + "
        "`sae.encode` + `topk`",
        6,
    ),
    Figure("single_vs_naive_200", "the same with 200 new tokens", 12),
    Figure(
        "eight_vs_naive",
        "tokens/s of 8 staggered streams together ÷ the same reference, one after the other",
        30,
    ),
    Figure("thirtytwo_vs_naive", "the same with 32 streams", 80),
    Figure("tap_on_vs_off", "tokens/s with one source tapped ÷ with none, 8 streams", 0.88),
    Figure("edit_cost", "tokens/s of 8 streams with one edit each ÷ with none", 0.97),
    Figure(
        "twin_vs_two",
        "tokens/s of one request with two branches, one of them edited ÷ two requests",
        0.87,
    ),
    Figure(
        "explain_cost",
        "time to explain a token of a 12-token prompt by 64 removals, gradient and removals at all "
        "positions included ÷ time of one step that reads the prompt with its features",
        10,
        at_most=True,
    ),
    Figure(
        "explain_disturbance",
        "tokens/s of 8 streams while explanations are asked for without end ÷ with none",
        0.95,
    ),
    Figure(
        "ragged_vs_lockstep",
        "tokens/s while 8 slots are taken: streams of different lengths that come and go ÷ equal "
        "ones in lockstep",
        0.92,
    ),
    Figure(
        "bandwidth_share",
        "bytes of weights read a second while one stream decodes ÷ measured read bandwidth",
        0.75,
    ),
    Figure(
        "vs_hf_generate_batch",
        "tokens/s of 8 streams with SAE ÷ continuous batching of transformers without",
        1.0,
    ),
    Figure(
        "vs_hf_generate_padded",
        "the same ÷ `generate` of transformers on one padded batch with a static cache, no SAE",
    ),
    Figure(
        "grpc_vs_engine", "tokens/s of 8 streams at a gRPC client ÷ at the engine by itself", 0.97
    ),
)
MEMORY = (
    Figure(
        "rss_growth_10000_requests_mb",
        "growth of the process over 10,000 short requests, in MB",
    ),
    Figure(
        "memory_vs_weights",
        "resident memory with a full cache, without what the imports take ÷ weights + cache",
    ),
)
GPU = (
    Figure("graph_vs_eager", "captured decode with tap ÷ eager decode with tap, one stream", 3.3),
    Figure("tokens_per_s_1", "tokens/s of one stream with one source", 3_000),
    Figure("tokens_per_s_64", "tokens/s of 64 streams with one source", 60_000),
)
PYTHON = (
    Figure(
        "python_tokens_per_s_64",
        "tokens/s of 64 streams at a gRPC client, 15 features each, without a model: the runner "
        "answers at once",
        20_000,
    ),
    Figure(
        "gateway_tokens_per_s_16",
        "tokens/s of 16 such streams through the gateway, one viewer each",
        5_000,
    ),
)
RECORD = (
    Figure(
        "record_vs_client",
        "tokens/s of `axon record` with the bundled model, 60 new tokens a prompt ÷ a client that "
        "keeps nothing, as many prompts at a time",
        0.95,
    ),
    Figure("record_read_vs_client", "the same when prompts are only read (`--max-tokens 0`)", 0.95),
)
FANOUT = (
    Figure(
        "fanout_p99_ms",
        "2,000 viewers of one room, 20 events/s with 15 labelled features each: ms from event to "
        "viewer, 99th percentile",
        100,
        at_most=True,
    ),
    Figure("fanout_lost", "events missing or out of order over all those viewers", 0, at_most=True),
    Figure(
        "tally_2000_p99_ms",
        "2,000 viewers of one room vote within 2 s: ms from the last vote to the tally at each "
        "viewer, 99th percentile",
        300,
        at_most=True,
    ),
    Figure("fanout_vs_sendjson", "deliveries/s ÷ a plain `send_json` loop", 8),
    Figure(
        "fanout_stalled",
        "healthy viewers' 99th percentile with 10 stalled ones ÷ with none",
        1.10,
        at_most=True,
    ),
    Figure(
        "upstream_streams", "gRPC streams open for 2,000 viewers of one generation", 1, at_most=True
    ),
)
ALL = (*ENGINE, *MEMORY, *GPU, *PYTHON, *RECORD, *FANOUT)
