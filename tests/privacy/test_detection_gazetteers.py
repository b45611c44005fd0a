"""The table of names: what it holds, and that it is compiled once and safely."""

import pytest

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.privacy.detection import gazetteers
from depsim_dagster.privacy.detection.gazetteers import (
    Gazetteer,
    Lexeme,
    gazetteer,
    gazetteer_file,
    table_bytes,
)

WORDS = {f"word{number}": Lexeme(number % 16, 1, 2, 3) for number in range(2000)} | {
    "ünïcode": Lexeme(0, 0, 0, 15)
}


def test_every_word_is_found_and_no_other(tmp_path):
    (tmp_path / "table").write_bytes(table_bytes(WORDS))
    table = Gazetteer(tmp_path / "table")
    assert all(table.lexeme(word) == lexeme for word, lexeme in WORDS.items())
    assert not any(any(table.lexeme(f"other{number}")) for number in range(2000))


def test_it_is_compiled_once_and_again_for_another_version(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        "depsim_dagster.privacy.detection.gazetteer_sources.collect_words",
        lambda: compiled.append(1) or WORDS,
    )
    first = gazetteer_file(tmp_path)
    assert gazetteer_file(tmp_path) == first and compiled == [1]
    monkeypatch.setattr(gazetteers, "FORMAT", gazetteers.FORMAT + 1)
    assert gazetteer_file(tmp_path) != first and compiled == [1, 1]


def test_an_interrupted_compilation_leaves_no_half_table(tmp_path, monkeypatch):
    monkeypatch.setattr("depsim_dagster.privacy.detection.gazetteer_sources.collect_words", lambda: WORDS)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ConfigurationError, match="DEPSIM_CACHE_DIR"):
        gazetteer_file(tmp_path)
    assert not list(tmp_path.glob("gazetteer-*"))


def test_what_the_packages_say():
    lexeme = gazetteer().lexeme
    assert lexeme("kevin").first >= 10 and lexeme("kevin").word == 0
    assert lexeme("mark").first >= 10 and lexeme("mark").word >= 8
    assert lexeme("müller").last >= 12
    assert lexeme("hund").word >= 8 and lexeme("hund").first < 6
    assert lexeme("münchen").place >= 8 and lexeme("france").place == 15
    assert not any(lexeme("qzxwvkj"))
