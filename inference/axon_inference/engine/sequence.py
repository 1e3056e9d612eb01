"""A request on its way through the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from axon_inference.engine.requests import Request, Timings, Token
from axon_inference.engine.text import Detokenizer


@dataclass
class Sequence:
    """What is known of a request so far.

    `token_ids` is the prompt and what was generated; `fed` of them have keys and values in the
    cache, and features. The last generated token is known one step before it is fed.
    """

    id: int
    request: Request
    detokenizer: Detokenizer
    token_ids: list[int]
    arrived_ns: int = 0
    slot: int = -1  # below 0 while it waits
    fed: int = 0
    logprob: float | None = None  # of the last token, if that was generated
    generated_text: str = ""
    prompt_tokens: list[Token] = field(default_factory=list)  # until all of them are read
    timings: Timings = field(default_factory=Timings)
    stage_began_ns: int = 0
    told_position: int = -1
    cancelled: bool = False

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt, a prepended BOS included."""
        return len(self.request.prompt_ids)

    @property
    def generated(self) -> int:
        """Tokens generated, the one not fed yet included."""
        return len(self.token_ids) - self.prompt_length

    @property
    def in_prefill(self) -> bool:
        """Whether some of the prompt is still to be fed."""
        return self.fed < self.prompt_length

    def completes_stop(self, new_characters: int) -> bool:
        """Whether the last `new_characters` of the generated text complete a stop string."""
        return new_characters > 0 and any(
            stop in self.generated_text[-(new_characters + len(stop) - 1) :]
            for stop in self.request.sampling.stop
        )
