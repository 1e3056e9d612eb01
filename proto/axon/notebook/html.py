"""Results as HTML: a text whose tokens are shaded, and what is known of the token pointed at.

The HTML is whole in itself, has no script, and leaves the colour of its text to the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from axon import edits, terminal
from axon.errors import AxonError
from axon.types import Continuation, Effect, Explanation, Result, SourceFeatures, Token

#: Tokens of a branch that are drawn.
_TOKENS = 1_000
#: Features of a source that are told of a token, and effects that an explanation lists.
_FEATURES, _EFFECTS = 4, 20
#: The darkest shade still lets dark and light text be read.
_SHADE = 0.55
_ORANGE, _BLUE = "240,130,20", "60,130,240"

Labels = Mapping[str, str]

# A notebook that is not trusted drops the style. What is pointed at then stays hidden.
_STYLE = """<style>
.axon{font:14px/1.6 system-ui,sans-serif}
.axon .text{position:relative;margin:.4em 0;white-space:pre-wrap;overflow-wrap:anywhere}
.axon .text::after{content:"Point at a token.";display:block;height:var(--h);opacity:.5}
.axon .t{border-radius:3px;cursor:default}
.axon .t:hover,.axon .t:focus{outline:1px solid currentColor}
.axon .g{border-bottom:1px solid rgba(128,128,128,.6)}
.axon .d{font-weight:bold}
.axon .tip{position:absolute;z-index:1;bottom:0;left:0;right:0;padding:.2em .6em;overflow-x:auto;
background:#1d2126;color:#f2f2f2;font-size:12px;line-height:1.5;white-space:nowrap}
.axon .t:hover>.tip,.axon .t:focus>.tip{display:block!important}
.axon .t:hover>.tip{z-index:2}
.axon .f{--c:rgba(240,130,20,.5);padding:0 .4em;margin-right:.5em;
background:linear-gradient(90deg,var(--c) var(--w),transparent var(--w))}
.axon .n{--c:rgba(60,130,240,.5)}
.axon .s{opacity:.8}
.axon table{border-collapse:collapse;font-size:12px}
.axon td,.axon th{padding:.1em .6em;text-align:right}
.axon td:nth-child(n+4),.axon th:nth-child(n+4){text-align:left}
</style>"""


class Html(str):
    """HTML that a notebook draws; a text like any other, to be saved as a page."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


def generation(result: Result, feature: str | None = None, labels: Labels | None = None) -> Html:
    """The text of each branch; see `Result.shaded`."""
    names = labels or {}
    chosen = None if feature is None else _chosen(feature, result.started.sources)
    first = result.branches[0]
    parts = [_branch(one, first, chosen, names, len(result.branches)) for one in result.branches]
    return _whole(_legend(result, chosen, names), *parts)


def explanation(found: Explanation, labels: Labels | None = None) -> Html:
    """The text, each token shaded by the strongest removal there, and the strongest effects."""
    names = labels or {}
    here: dict[int, list[Effect]] = {}
    for effect in found.effects:
        if effect.position is not None:
            here.setdefault(effect.position, []).append(effect)
    most = max((abs(one.logprob) for one in found.effects), default=0.0)
    drawn = []
    for token in found.tokens[:_TOKENS]:
        effects = here.get(token.position, [])
        strongest = max((one.logprob for one in effects), key=abs, default=0.0)
        about = "".join(_effect_line(one, most, names) for one in effects[: 2 * _FEATURES])
        drawn.append(_token(token, -strongest / most if most else 0.0, about, ""))
    lines = 1 + max((min(len(one), 2 * _FEATURES) for one in here.values()), default=0)
    rows = "".join(_effect_row(one, found, names) for one in found.effects[:_EFFECTS])
    head = "<tr><th>logprob<th>logit<th>activation<th>feature<th>at<th>label</tr>"
    text = _text(drawn, len(found.tokens), lines)
    return _whole(_question(found), text, f"<table>{head}{rows}</table>")


def _whole(*parts: str) -> Html:
    return Html(f'{_STYLE}<div class="axon">{"".join(parts)}</div>')


def _chosen(feature: str, sources: Sequence[str]) -> tuple[str, int]:
    source, _, index = feature.rpartition("/")
    if source not in sources or not index.isdecimal():
        why = f"{feature!r} is not SOURCE/INDEX, with a source of: {', '.join(sources)}"
        raise AxonError("INVALID_ARGUMENT", why)
    return source, int(index)


def _legend(result: Result, chosen: tuple[str, int] | None, labels: Labels) -> str:
    if chosen is None:
        return _line("Shaded by each token's strongest feature, relative to its source's strongest")
    tokens = [token for one in result.branches for token in one.tokens]
    most = max((_activation(token, chosen) for token in tokens), default=0.0)
    name = "/".join(map(str, chosen))
    told = f"darkest: {most:.2f}" if most else "it is among the reported features of no token"
    named = f"{name} {labels[name]}" if name in labels else name
    return _line(f"Shaded by {named}; {told}")


def _branch(
    one: Continuation,
    first: Continuation,
    chosen: tuple[str, int] | None,
    labels: Labels,
    count: int,
) -> str:
    shares = _shares((*first.tokens, *one.tokens), chosen)[len(first.tokens) :]
    most = _strongest((*first.tokens, *one.tokens))
    drawn = []
    for number, (token, share) in enumerate(zip(one.tokens[:_TOKENS], shares, strict=False)):
        about = "".join(_source_line(f, most, labels) for f in token.source_features)
        other = first.tokens[number].text if number < len(first.tokens) else None
        drawn.append(_token(token, share, about, "" if token.text == other else " d"))
    lines = 1 + max((len(token.source_features) for token in one.tokens), default=0)
    changes = ", ".join(map(edits.described, one.edits))
    title = _line(f"{one.name}: {changes}".rstrip(": ")) if count > 1 or changes else ""
    return title + _text(drawn, len(one.tokens), lines)


def _text(drawn: Sequence[str], tokens: int, lines: int) -> str:
    more = f"<i> and {tokens - len(drawn)} more tokens</i>" if tokens > len(drawn) else ""
    # The room at the bottom is for what is known of the token pointed at.
    return f'<div class="text" style="--h:{1.4 * lines:.1f}em">{"".join(drawn)}{more}</div>'


def _token(token: Token, share: float, about: str, kind: str) -> str:
    colour = _ORANGE if share >= 0 else _BLUE
    shade = f"background:rgba({colour},{_SHADE * abs(share):.2f})" if share else ""
    text = _plain(token.text).replace("\n", "↵\n")
    generated = " g" if token.generated else ""
    logprob = "" if token.logprob is None else f", {math.exp(token.logprob):.1%}"
    head = f"<div><b>{_plain(repr(token.text))}</b> at {token.position}{logprob}</div>"
    return (
        f'<span class="t{generated}{kind}" tabindex="0" style="{shade}">{text}'
        f'<span class="tip" style="display:none">{head}{about}</span></span>'
    )


def _shares(tokens: Sequence[Token], chosen: tuple[str, int] | None) -> list[float]:
    """How dark each token is, 0 to 1."""
    if chosen is not None:
        values = [_activation(token, chosen) for token in tokens]
        most = max(values, default=0.0)
        return [value / most if most > 0 else 0.0 for value in values]
    strongest = _strongest(tokens)
    return [
        max(
            (f.activations[0] / strongest[f.source] for f in token.source_features if f.ids),
            default=0.0,
        )
        for token in tokens
    ]


def _strongest(tokens: Iterable[Token]) -> dict[str, float]:
    """The largest activation of each source."""
    most: dict[str, float] = {}
    for token in tokens:
        for found in token.source_features:
            if found.activations:
                most[found.source] = max(most.get(found.source, 0.0), found.activations[0])
    return most


def _activation(token: Token, chosen: tuple[str, int]) -> float:
    """That of a feature, 0 if it is not among those reported."""
    for found in token.source_features:
        if found.source == chosen[0] and chosen[1] in found.ids:
            return found.activations[found.ids.index(chosen[1])]
    return 0.0


def _source_line(found: SourceFeatures, most: Mapping[str, float], labels: Labels) -> str:
    before = {one.feature: f" (was {one.before:.2f})" for one in found.edited}
    pairs = list(zip(found.ids, found.activations, strict=True))
    shown = pairs[:_FEATURES] + [pair for pair in pairs[_FEATURES:] if pair[0] in before]
    shown += [(one.feature, one.after) for one in found.edited if one.feature not in found.ids]
    told = "".join(
        _bar(
            f"{index} <b>{value:.2f}</b>{before.get(index, '')}"
            + _named(f"{found.source}/{index}", labels),
            value / most[found.source] if found.source in most else 0.0,
        )
        for index, value in shown
    )
    return f'<div><span class="s">{_plain(found.source)}</span> {told}</div>'


def _bar(told: str, share: float) -> str:
    """Text on a bar; what is told is HTML."""
    kind = "" if share >= 0 else " n"
    return f'<span class="f{kind}" style="--w:{100 * min(abs(share), 1):.0f}%">{told}</span>'


def _effect_line(one: Effect, most: float, labels: Labels) -> str:
    name = f"{one.source}/{one.feature}"
    told = f"{_plain(name)} <b>{one.logprob:+.3f}</b>{_named(name, labels)}"
    return f"<div>{_bar(told, -one.logprob / most if most else 0.0)}</div>"


def _effect_row(one: Effect, found: Explanation, labels: Labels) -> str:
    name = f"{one.source}/{one.feature}"
    texts = {token.position: token.text for token in found.tokens}
    at = "everywhere" if one.position is None else f"{one.position} {texts[one.position]!r}"
    return (
        f"<tr><td>{one.logprob:+.3f}<td>{one.logit:+.3f}<td>{one.activation:.2f}"
        f"<td>{_plain(name)}<td>{_plain(at)}<td>{_plain(labels.get(name, ''))}</tr>"
    )


def _question(found: Explanation) -> str:
    target, rival = found.target, found.rival
    agreement = found.agreement
    agrees = f"; gradient and removal agree by r = {agreement.pearson:.2f}" if agreement else ""
    return _line(
        f"Why {target.text!r} ({math.exp(target.logprob):.1%}) rather than {rival.text!r} "
        f"({math.exp(rival.logprob):.1%})? Orange speaks for it, blue against it: the change of "
        f"its log-probability without that feature. {found.tried} of {found.active} active "
        f"features were tried{agrees}"
    )


def _named(name: str, labels: Labels) -> str:
    return f" {_plain(labels[name])}" if name in labels else ""


def _line(text: str) -> str:
    return f"<div>{_plain(text)}.</div>"


def _plain(text: str) -> str:
    return escape(terminal.lines(text))
