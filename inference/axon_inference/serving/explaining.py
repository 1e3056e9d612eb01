"""From an ExplainRequest to a query: defaults filled in, every bad field named."""

from __future__ import annotations

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.effects import Query, Removal
from axon_inference.engine.requests import Served
from axon_inference.serving.branches import edits_of
from axon_inference.serving.fields import InvalidRequest, Violation, check, listed, quoted
from axon_inference.serving.validation import explain_options, prompt_ids


def resolve_explain(
    message: pb.ExplainRequest, served: Served, model: pb.GetModelResponse
) -> Query:
    """Check a message and fill in what it leaves open. `model` describes the sources.

    Raises:
        InvalidRequest: with one violation for every bad field.
    """
    wrong: list[Violation] = []
    ids = _tokens(message, served, wrong)
    position = message.position if message.HasField("position") else len(ids)
    if ids:
        check(wrong, "position", position, 1, len(ids))
    target = _choice(message.target, "target", served, wrong)
    if target is None and position < len(ids):
        target = ids[position]
    rival = _choice(message.rival, "rival", served, wrong)
    if rival is not None and rival == target:
        wrong.append(Violation("rival", "is the target itself; it needs another token"))
    everything = range(len(served.sources))
    chosen = explain_options(message.options, "options", everything, served, model, wrong)
    in_force = edits_of(message.edits, model.sources, "edits", wrong)
    path, path_source = _path(message, position, served, model, wrong)
    prompt_length = message.prompt_tokens if message.HasField("prompt_tokens") else len(ids)
    if ids:
        check(wrong, "prompt_tokens", prompt_length, 0, len(ids))
    if wrong:
        raise InvalidRequest(wrong)
    return Query(
        token_ids=tuple(ids[:position]),
        target=target,
        rival=rival,
        sources=chosen.sources,
        limit=chosen.limit,
        edits=in_force,
        prompt_length=prompt_length,
        has_bos=served.bos_id is not None and ids[0] == served.bos_id,
        path=path,
        path_source=path_source,
    )


def _tokens(message: pb.ExplainRequest, served: Served, wrong: list[Violation]) -> list[int]:
    if not message.token_ids:
        return prompt_ids(message.prompt, served, wrong)
    ids = list(message.token_ids)
    if message.prompt:
        wrong.append(Violation("token_ids", "is set, and prompt too; set one of them"))
    elif len(ids) > served.context_length:
        why = f"has {len(ids)} tokens; the model reads at most {served.context_length}"
        wrong.append(Violation("token_ids", why, "PROMPT_TOO_LONG"))
    elif (largest := max(ids)) >= served.vocab_size:
        why = f"has {largest}; the model knows tokens below {served.vocab_size}"
        wrong.append(Violation("token_ids", why, "UNKNOWN_TOKEN"))
    else:
        return ids
    return []


def _choice(
    choice: pb.TokenChoice, field: str, served: Served, wrong: list[Violation]
) -> int | None:
    kind = choice.WhichOneof("choice")
    if kind is None:
        return None
    if kind == "token_id":
        check(wrong, f"{field}.token_id", choice.token_id, 0, served.vocab_size - 1)
        return choice.token_id
    found = _one_token(choice.text, served)
    if found is None or found >= served.vocab_size:
        n = len(choice.text)
        why = f"{quoted(choice.text)} is not exactly one token; mind its leading space"
        wrong.append(Violation(f"{field}.text", why if n else "is empty", "NOT_ONE_TOKEN"))
        return None
    return found


def _one_token(text: str, served: Served) -> int | None:
    """The token that stands for `text` within a text, or at the start of one.

    Some tokenizers mark a word's beginning also where a text begins, and lose the space there.
    """
    if not text or len(text) > served.max_prompt_characters:
        return None
    try:
        alone, before, both = (served.encode(some) for some in (text, "a", "a" + text))
    except Exception:  # tokenizers raise what they like
        return None
    if both[:-1] == before:
        return both[-1]
    return alone[0] if len(alone) == 1 else None


def _path(
    message: pb.ExplainRequest,
    position: int,
    served: Served,
    model: pb.GetModelResponse,
    wrong: list[Violation],
) -> tuple[Removal | None, int]:
    if not message.HasField("path"):
        return None, 0
    asked = message.path
    if asked.source not in served.sources:
        why = f"there is no source {quoted(asked.source)}; there are {listed(served.sources)}"
        wrong.append(Violation("path.source", why, "UNKNOWN_SOURCE"))
        return None, 0
    source = served.sources.index(asked.source)
    about = model.sources[source]
    above = served.above[source]
    if about.not_editable:
        why = f"{asked.source} cannot be edited: {about.not_editable}"
        wrong.append(Violation("path.source", why, "NOT_EDITABLE"))
    elif above is None:
        wrong.append(Violation("path.source", f"no source reads further on than {asked.source}"))
    check(wrong, "path.feature", asked.feature, 0, about.width - 1)
    if asked.HasField("position"):
        check(wrong, "path.position", asked.position, 0, max(0, position - 1))
    where = asked.position if asked.HasField("position") else None
    return Removal(source, asked.feature, where), above or 0
