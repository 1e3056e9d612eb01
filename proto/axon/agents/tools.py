"""What an agent can ask. Answers are short texts, since a model reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

from axon import edits as words
from axon import extras
from axon.aio import AsyncClient
from axon.edits import Branch, Edit
from axon.errors import AxonError
from axon.types import Continuation, Effect, Token, TokenEffect

#: Characters of an answer, tokens that a generation makes, and tokens that `features` tells of.
_CHARACTERS, _MOST_TOKENS, _ROWS = 8_000, 200, 40
#: Seconds that a call may take.
_SECONDS = 120.0

_P = ParamSpec("_P")
_Tool = Callable[_P, Coroutine[Any, Any, str]]


def _answering(tool: _Tool[_P]) -> _Tool[_P]:
    """A tool whose answer is bounded, and whose errors say what is wrong."""

    @wraps(tool)
    async def call(*args: _P.args, **kwargs: _P.kwargs) -> str:
        try:
            answer = await tool(*args, **kwargs)
        except AxonError as error:
            errors = extras.load("mcp.server.mcpserver.exceptions", "mcp")
            raise errors.ToolError(error.message) from None
        if len(answer) <= _CHARACTERS:
            return answer
        kept = answer[:_CHARACTERS].rpartition("\n")[0]
        return f"{kept}\n... cut after {_CHARACTERS} characters: ask for less"

    return call


class Tools:
    """The tools; their names, arguments and docstrings are what the agent sees.

    Features are told with their labels (by SOURCE/INDEX) where there are some.
    """

    def __init__(
        self, address: str, connection: Mapping[str, Any], labels: Mapping[str, str]
    ) -> None:
        self._address = address
        self._connection = connection
        self._labels = labels
        self._connected: AsyncClient | None = None

    @property
    def _client(self) -> AsyncClient:
        # It belongs to the event loop, which runs only once tools are called.
        if self._connected is None:
            self._connected = AsyncClient(self._address, **self._connection)
        return self._connected

    @_answering
    async def model(self) -> str:
        """Name the model, its sources (SAEs) and its limits."""
        found = await self._client.model()
        lines = [
            f"{found.model}: {found.info.n_layers} layers, context "
            f"{found.limits.context_length} tokens",
            "sources:",
        ]
        for source in found.sources:
            editable = f"; not editable: {source.not_editable}" if source.not_editable else ""
            lines.append(f"  {source.id}: {source.width} features at {source.hook_name}{editable}")
        return "\n".join(lines)

    @_answering
    async def generate(
        self, prompt: str, max_tokens: int = 40, temperature: float = 0.0, seed: int | None = None
    ) -> str:
        """Continue a prompt. max_tokens: 1 to 200. temperature 0 takes the likeliest token."""
        _check("max_tokens", max_tokens, 1, _MOST_TOKENS)
        result = await self._client.generate(
            prompt,
            timeout=_SECONDS,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            feat_k=1,
        ).result()
        return _continued(result.branches[0])

    @_answering
    async def features(
        self, text: str, source: str | None = None, top: int = 5, first_position: int = 0
    ) -> str:
        """Read a text and tell the strongest features at each of its tokens.

        source: one source, or all if left out. top: features per token and source, 1 to 10. At most
        40 tokens are told, from first_position on. Each feature is INDEX:ACTIVATION.
        """
        _check("top", top, 1, 10)
        result = await self._client.generate(
            text, timeout=_SECONDS, max_tokens=0, sources=source, feat_k=top
        ).result()
        tokens = result.branches[0].tokens
        shown = [token for token in tokens if token.position >= first_position][:_ROWS]
        lines = [line for token in shown for line in self._told(token)]
        if shown and shown[-1] is not tokens[-1]:
            left = tokens[-1].position - shown[-1].position
            lines.append(f"{left} more tokens: first_position={shown[-1].position + 1}")
        return "\n".join(lines) or f"there is no token at {first_position} or later"

    @_answering
    async def feature(self, source: str, index: int, limit: int = 8) -> str:
        """Tell what one feature does: tokens it makes likelier and less likely, features that are
        alike in its own source and in others, and texts where it fires if some are known.

        limit: entries of each list, 1 to 20.
        """
        _check("limit", limit, 1, 20)
        found = await self._client.feature(source, index, limit=limit)
        lines = [
            self._name(source, index),
            f"promotes: {_tokens(found.promoted)}",
            f"suppresses: {_tokens(found.suppressed)}",
            "alike (cosine of decoder rows): "
            + ", ".join(f"{self._name(source, n.index)} {n.cosine:.2f}" for n in found.neighbors),
        ]
        lines += [
            f"in another source: {self._name(kin.source, kin.feature)} {kin.cosine:.2f}"
            for kin in found.kin[:limit]
        ]
        for example in found.examples[:limit]:
            peak = max(example.activations)
            marked = (
                f"[{text}]" if value > peak / 2 else text
                for text, value in zip(example.tokens, example.activations, strict=True)
            )
            lines.append(f"fires at {peak:.2f}: {''.join(marked)!r}")
        return "\n".join(lines)

    @_answering
    async def twin(
        self,
        prompt: str,
        edits: list[Edit],
        max_tokens: int = 40,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        """Continue a prompt as it is, and once more with edits of features, with the same seed.

        An edit names a source and a feature, and exactly one change: set (its activation becomes
        this), scale (times this; 0 silences it), add, or swap_with (another feature of the source
        takes its place). Strengths are in the SAE's units. where: while_firing or everywhere.
        max_tokens: 1 to 200.
        """
        _check("max_tokens", max_tokens, 1, _MOST_TOKENS)
        if not edits:
            raise AxonError("INVALID_ARGUMENT", "edits is empty; give one at least")
        result = await self._client.generate(
            prompt,
            timeout=_SECONDS,
            branches=[Branch("as is"), Branch("edited", tuple(edits))],
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
        ).result()
        as_is, edited = result.branches
        changed = [
            f"  at {token.position} {token.text!r}: "
            f"{self._name(found.source, one.feature)} {one.before:.2f} -> {one.after:.2f}"
            for token in edited.tokens
            for found in token.source_features
            for one in found.edited
        ]
        return "\n".join(
            [
                f"as is: {_continued(as_is)}",
                f"edited ({', '.join(map(words.described, edits))}): {_continued(edited)}",
                _parted(as_is, edited),
                "changed activations:" if changed else "the edits changed no activation",
                *changed[:_ROWS],
            ]
        )

    @_answering
    async def why(
        self,
        prompt: str,
        target: str | None = None,
        rival: str | None = None,
        source: str | None = None,
        limit: int = 64,
        top: int = 15,
    ) -> str:
        """Measure which features made the model expect a token after a prompt, by silencing one
        at a time.

        target: a text that is one token, leading space included; left out: the likeliest one.
        rival: the token that it is compared with. limit: features to try. top: lines, 1 to 40.
        """
        _check("top", top, 1, _ROWS)
        found = await self._client.explain(
            prompt, target=target, rival=rival, sources=source, limit=limit, timeout=_SECONDS
        )
        texts = {token.position: token.text for token in found.tokens}
        lines = [
            f"{found.target.text!r} {math.exp(found.target.logprob):.1%}, rather than "
            f"{found.rival.text!r} {math.exp(found.rival.logprob):.1%}",
            f"{found.tried} of {found.active} active features were tried; change of the token's "
            "log-probability without each (below 0: it spoke for the token):",
        ]
        lines += [self._effect(one, texts) for one in found.effects[:top]]
        return "\n".join(lines)

    def _told(self, token: Token) -> Iterable[str]:
        yield f"{token.position} {token.text!r}"
        for found in token.source_features:
            shown = (
                f"{index}:{value:.2f}{self._label(found.source, index)}"
                for index, value in zip(found.ids, found.activations, strict=True)
            )
            yield f"  {found.source}  {'  '.join(shown)}"

    def _effect(self, one: Effect, texts: Mapping[int, str]) -> str:
        at = "everywhere" if one.position is None else f"at {one.position} {texts[one.position]!r}"
        name = self._name(one.source, one.feature)
        return f"  {one.logprob:+.3f}  {name} {at}, activation {one.activation:.2f}"

    def _name(self, source: str, index: int) -> str:
        return f"{source}/{index}{self._label(source, index)}"

    def _label(self, source: str, index: int) -> str:
        label = self._labels.get(f"{source}/{index}")
        return f" ({label})" if label else ""


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise AxonError("INVALID_ARGUMENT", f"{name} is {value}; it must be {least} to {most}")


def _continued(branch: Continuation) -> str:
    return f"{branch.text!r} (ended by {branch.reason})"


def _parted(as_is: Continuation, edited: Continuation) -> str:
    for one, other in zip(as_is.tokens, edited.tokens, strict=False):
        if one.token_id != other.token_id:
            return f"they part at position {one.position}: {one.text!r}, edited {other.text!r}"
    return "they have the same tokens" + (
        "" if len(as_is.tokens) == len(edited.tokens) else " as far as the shorter one goes"
    )


def _tokens(effects: Sequence[TokenEffect]) -> str:
    return ", ".join(f"{one.text!r} {one.logit:+.2f}" for one in effects)
