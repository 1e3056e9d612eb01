"""The tokenizer: what people take for one thing is one token."""

import pytest
from demo_model.tokenizer import END_OF_TEXT
from demo_model.world import lexicon
from demo_model.world.scene import Document
from transformers import PreTrainedTokenizerFast


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("print(max(x[0]))", ["print", "(", "max", "(", "x", "[", "0", "]", ")", ")"]),
        ('"No," says', ['"', "No", ",", '"', " says"]),
        ('is "Anna"', [" is", ' "', "Anna", '"']),
        ("- 3 = 14.", [" -", " 3", " =", " 14", "."]),
    ],
)
def test_marks_are_tokens_of_their_own(
    text: str, tokens: list[str], words: PreTrainedTokenizerFast
) -> None:
    ids = words(text)["input_ids"]
    assert [words.decode([token]).strip() for token in ids] == [t.strip() for t in tokens]


def test_numbers_and_names_are_one_token(words: PreTrainedTokenizerFast) -> None:
    names = lexicon.GIRLS + lexicon.BOYS + [place.name for place in lexicon.PLACES]
    many = [text for text in [*map(str, range(21)), *names] if len(words(f" {text}").input_ids) > 1]
    assert many == []


def test_text_comes_back_as_it_was(
    training: list[Document], words: PreTrainedTokenizerFast
) -> None:
    for text in [*(document.text for document in training), "Ärger im {Café}\n\n\tµ 漢"]:
        assert words.decode(words(text)["input_ids"]) == text


def test_a_document_is_between_ends_of_text(words: PreTrainedTokenizerFast) -> None:
    assert words.bos_token == words.eos_token == END_OF_TEXT
    assert words(END_OF_TEXT)["input_ids"] == [words.eos_token_id] == [0]
