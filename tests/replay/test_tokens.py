"""Token counts before a server counts: by script, of whole requests, with a tokenizer."""

import pytest

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.replay.budget.tokens import load_tokenizer, prompt_tokens, tokens_of_value, utf8_length
from depsim_dagster.replay.dialects.requests import chat_request


@pytest.mark.parametrize(
    ("text", "characters_per_token"),
    [
        ("plain English words " * 20, 4.0),
        ("несколько русских слов " * 20, 2.1),
        ("几个中文词语和句子" * 20, 1.34),
    ],
)
def test_the_estimate_follows_the_script(text, characters_per_token):
    assert len(text) / tokens_of_value(text) == pytest.approx(characters_per_token, rel=0.05)


def test_a_request_is_its_texts_and_a_little_for_each_message():
    body = chat_request("m", [{"role": "user", "content": "x" * 400}] * 10, sampling={"temperature": 0})
    assert 1000 < prompt_tokens(body) <= 1000 + 10 * 6


def test_hostile_values_are_counted_too():
    deep: list = []
    for _ in range(20_000):
        deep = [deep, "half an emoji \ud83d"]
    assert tokens_of_value({"tools": deep}) == pytest.approx(20_000 * 17 / 4, rel=0.01)
    assert utf8_length("\ud83d") == 3


def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path):
    pytest.importorskip("tokenizers")
    file = tmp_path / "tokenizer.json"
    for content in (None, "private words"):
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigurationError, match="endpoints.e.tokenizer: .*no tokenizer.json") as raised:
            load_tokenizer(file, "endpoints.e.tokenizer")
        assert "private" not in str(raised.value)
