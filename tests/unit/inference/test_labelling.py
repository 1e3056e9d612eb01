"""`python -m axon_inference label`: words for features, scored on text that did not choose them."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axon_gateway.labels.files import LabelFiles
from axon_inference.config import Settings
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.labelling import command
from axon_inference.labelling.asking import Endpoint, explain
from axon_inference.labelling.contexts import Text, collect, read_text
from axon_inference.labelling.wording import Wordings, promoted
from axon_inference.loading.ready import Loaded, load

from ... import tiny

WORDS = tiny.WORDS.split()
FLOATS = np.float32


def text(*words: str, window: int = 10) -> Text:
    return Text(list(words), np.arange(len(words)) // window)


CHOSEN = random.Random(1)
MIXED = text(*(CHOSEN.choice(WORDS) for _ in range(4_000)))


def where(*words: str) -> np.ndarray[Any, Any]:
    return np.flatnonzero(np.isin(MIXED.tokens, words))


def test_a_feature_of_one_word_is_named_by_it_with_its_held_out_score() -> None:
    found = Wordings(MIXED).of(where("cat"))
    assert found
    assert found.description == 'the token "cat"'
    held_out = int(MIXED.held_out[where("cat")].sum())
    assert (found.score.precision, found.score.recall) == (1, 1)
    assert found.score.firings == held_out


def test_a_feature_of_two_words_is_named_by_both() -> None:
    found = Wordings(MIXED).of(where("cat", "mat"))
    assert found
    assert found.description in ('the tokens "cat" or "mat"', 'the tokens "mat" or "cat"')


def test_a_feature_of_what_comes_before_says_so() -> None:
    after = where("under") + 1
    after = after[(after < len(MIXED.tokens))]
    after = after[MIXED.window[after] == MIXED.window[after - 1]]
    found = Wordings(MIXED).of(after)
    assert found
    assert found.description == 'after the token "under"'
    assert found.score.precision == 1


def test_words_that_do_not_hold_on_other_text_are_given_up() -> None:
    cats = where("cat")
    choosing = cats[~MIXED.held_out[cats]]
    elsewhere = np.flatnonzero(MIXED.held_out)[::17]
    assert Wordings(MIXED).of(np.sort(np.concatenate([choosing, elsewhere]))) is None


def test_a_feature_that_fires_anywhere_has_no_words() -> None:
    everywhere = np.arange(0, len(MIXED.tokens), 3)
    assert Wordings(MIXED).of(everywhere) is None
    assert Wordings(MIXED).of(where("cat")[:3]) is None  # it fires too seldom


def test_case_and_space_make_no_other_word() -> None:
    words = [" Cat", "cat", "CAT", "dog"] * 100
    mixed = text(*words)
    found = Wordings(mixed).of(np.flatnonzero(np.array(words) != "dog"))
    assert found
    assert found.description == 'the token "cat"'


def test_promoted_tokens_are_told_readably() -> None:
    assert promoted([" Paris", "\n", " "]) == "promotes: Paris, \\n, a space"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    model = tiny.gpt2_folder(tmp_path_factory.mktemp("model"))
    hooks = ("blocks.0.hook_resid_post", "blocks.1.hook_resid_post")
    saes = [
        tiny.sae_folder(tmp_path_factory.mktemp("sae"), "standard", hook, neuronpedia_id=f"m/{n}")
        for n, hook in enumerate(hooks)
    ]
    return Settings(
        model=str(model), sources=tuple(map(str, saes)), device="cpu", map="off", slots=1
    )


@pytest.fixture(scope="module")
def loaded(settings: Settings) -> Loaded:
    return load(settings)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    chosen = random.Random(2)
    path.write_text("".join(f" {chosen.choice(WORDS)}" for _ in range(900)))
    return path


def test_firings_are_those_that_the_service_streams(loaded: Loaded, corpus: Path) -> None:
    windows = read_text(corpus, loaded, 200)
    assert [len(window) for window in windows] == [63, 63, 63, 11]  # with BOS, the whole context
    read, firings = collect(loaded, windows)
    assert "".join(read.tokens) == corpus.read_text()[: len("".join(read.tokens))]
    ids = [loaded.served.bos_id, *windows[1]]
    wanted = Features(sources=(0, 1), top_k=64)
    step = loaded.runner.run([Feed(0, ids, 0, Sampling(temperature=0), wanted, 0)])
    loaded.runner.free(0)
    for source, found in enumerate(firings):
        rows = step.sources[source]
        for position in (1, 30, 63):
            here = found.token == 63 + position - 1
            mine = dict(zip(found.feature[here].tolist(), found.activation[here], strict=True))
            assert len(mine) == rows.l0[position]
            streamed = zip(rows.ids[position].tolist(), rows.activations[position], strict=True)
            for feature, activation in streamed:
                if activation > 0:
                    assert mine[feature] == pytest.approx(activation, rel=1e-4)


def rows_of(folder: Path, source: str) -> list[dict[str, Any]]:
    data = gzip.decompress((folder / source / "explanations/batch-0.jsonl.gz").read_bytes())
    return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def once(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the model that is loaded already."""
    monkeypatch.setattr(command, "load", lambda settings: loaded)


@pytest.mark.usefixtures("once")
def test_the_gateway_reads_what_the_command_writes(
    settings: Settings, corpus: Path, tmp_path: Path
) -> None:
    command.run(settings, command.Wanted(corpus, tmp_path, 2_000))
    for source in ("m/0", "m/1"):
        rows = rows_of(tmp_path, source)
        assert rows
        records = LabelFiles(tmp_path).read(source)
        for row in rows:
            record = records[int(row["index"])]
            assert record.label == row["description"]
            assert record.density
            assert record.max_activation
            scored = row["typeName"] == "tokens"
            assert (record.score is not None) == scored
            assert row["description"].startswith("promotes: ") != scored


def test_what_is_too_short_or_no_text_is_refused(
    settings: Settings, loaded: Loaded, tmp_path: Path
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("the cat")
    with pytest.raises(ValueError, match=r"short.txt has \d tokens; at least 126 are needed"):
        read_text(short, loaded, 1_000)
    short.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        read_text(short, loaded, 1_000)
    with pytest.raises(ValueError, match="is no file"):
        command.run(settings, command.Wanted(tmp_path / "none", tmp_path, 1_000))


class Explainer(BaseHTTPRequestHandler):
    """Answers as OpenAI's API does: it always says cats, and knows them by that word."""

    seen: list[dict[str, Any]]
    broken = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({**body, "path": self.path, "key": self.headers["Authorization"]})
        system, user = (message["content"] for message in body["messages"])
        answer = "about cats\nand more"
        if "about cats" in system:
            lines = user.splitlines()
            answer = ", ".join(line.partition(".")[0] for line in lines if "cat" in line)
        choices = [{"message": {"content": answer}}]
        data = json.dumps({} if self.broken else {"choices": choices}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(Explainer, "seen", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Explainer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "wise", "secret")
    server.shutdown()
    thread.join()
    server.server_close()


OFTEN = text(*(CHOSEN.choice(WORDS) if n % 5 else "cat" for n in range(1_000)))


def test_an_explanation_is_scored_on_texts_that_it_has_not_seen(endpoint: Endpoint) -> None:
    at = np.flatnonzero(np.array(OFTEN.tokens) == "cat")
    found = explain(endpoint, OFTEN, at, np.ones(len(at), FLOATS))
    assert found
    assert (found.line, found.accuracy) == ("about cats", None)  # no window lacks them
    words = ["cat" if n % 200 < 80 and n % 7 == 0 else "dog" for n in range(2_000)]
    some = text(*words, window=40)
    at = np.flatnonzero(np.array(words) == "cat")
    found = explain(endpoint, some, at, np.ones(len(at), FLOATS))
    assert found
    assert found.accuracy == 1.0
    first, last = Explainer.seen[-2:]
    assert (first["path"], first["key"]) == ("/v1/chat/completions", "Bearer secret")
    assert (first["model"], first["temperature"]) == ("wise", 0)
    assert "<<cat>>" in first["messages"][1]["content"]
    assert "<<" not in last["messages"][1]["content"]
    assert len(last["messages"][1]["content"].splitlines()) == 10


@pytest.mark.usefixtures("once")
def test_the_command_prefers_explanations_of_an_endpoint(
    endpoint: Endpoint, settings: Settings, corpus: Path, tmp_path: Path
) -> None:
    command.run(settings, command.Wanted(corpus, tmp_path, 1_000, endpoint, explained=2))
    for source in ("m/0", "m/1"):
        explained = [row for row in rows_of(tmp_path, source) if row["typeName"] == "explained"]
        assert [row["description"] for row in explained] == ["about cats"] * 2
        assert {row["explanationModelName"] for row in explained} == {"wise"}


def test_an_endpoint_that_answers_something_else_is_named(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Explainer, "broken", True)
    with pytest.raises(ValueError, match="answered something else than a chat completion"):
        explain(endpoint, MIXED, where("cat"), np.ones(len(where("cat")), FLOATS))
    with pytest.raises(OSError, match="refused"):
        Endpoint("http://127.0.0.1:9/v1", "x").ask("a", "b")
