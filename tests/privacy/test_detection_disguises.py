"""Details that are disguised: in Unicode, in words, in single figures, over several messages."""

import pytest

from depsim_dagster.privacy.detection.detect import find_identifiers, find_split_identifiers
from depsim_dagster.privacy.detection.unicode_folding import fold


def found(text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        (
            "mail ｈａｒｒｉｅｔ＠ｅｘａｍｐｌｅ．ｃｏｍ now",
            "email",
            "ｈａｒｒｉｅｔ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        ),
        ("mail harr\u200biet@exam\u00adple.com now", "email", "harr\u200biet@exam\u00adple.com"),
        ("mail hаrriet@exаmple.com now", "email", "hаrriet@exаmple.com"),  # two Cyrillic letters
        ("mail h\u0336a\u0336r\u0336riet@example.com now", "email", "h\u0336a\u0336r\u0336riet@example.com"),
        ("card ４１１１ １１１１ １１１１ １１１１", "card", "４１１１ １１１１ １１１１ １１１１"),
        ("call \u202e+49 151 12345678\u202c", "phone", "+49 151 12345678"),
        ("𝓱𝓪𝓻𝓻𝓲𝓮𝓽@example.com", "email", "𝓱𝓪𝓻𝓻𝓲𝓮𝓽@example.com"),
        ("john dot doe at gmail dot com", "email", "john dot doe at gmail dot com"),
        ("linda (dot) hayes [at] yahoo (dot) com", "email", "linda (dot) hayes [at] yahoo (dot) com"),
        ("juan arroba correo punto es", "email", "juan arroba correo punto es"),
        ("c'est ines point dubois arobase free point fr", "email", "ines point dubois arobase free point fr"),
        ("call five five five oh one two three", "phone", "five five five oh one two three"),
        ("null eins fünf eins zwei drei vier fünf", "phone", "null eins fünf eins zwei drei vier fünf"),
        ("4 1 1 1 - 1 1 1 1 - 1 1 1 1 - 1 1 1 1", "card", "4 1 1 1 - 1 1 1 1 - 1 1 1 1 - 1 1 1 1"),
        ("Name: José\\nTel: (571)177-7741\\n", "phone", "(571)177-7741"),
        ("mi nombre es Jose\u0301 Garci\u0301a", "person", "Jose\u0301 Garci\u0301a"),
    ],
)
def test_a_disguise_does_not_hide_a_detail(text, type_, value):
    assert (type_, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "look at the dot in point com, meet me at five",
        "one two three four five six seven eight nine ten",
        "if at any point in the text",
        "Я люблю Python и Docker",
        "naïve café résumé, 3 × 4 = 12, α + β",
        "1 2 3 4 5 6 7",
        "❤️ 👨‍👩‍👧 ok",
    ],
)
def test_what_only_looks_disguised(text):
    assert found(text) == []


def test_folding_keeps_the_way_back():
    text = "x ｈ\u200bé\u0336 y"
    folded = fold(text)
    assert folded.text == "x hé y"
    assert folded.original(2, 4) == (2, 6)
    assert fold("plain café, 你好，世界") is None


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["my number is 415", "5550134 is the rest"], [["415"], ["5550134"]]),
        (["john.doe", "@gmail.com"], [["john.doe"], ["@gmail.com"]]),
        (["4111 1111", "1111 1111", "thanks"], [["4111 1111"], ["1111 1111"], []]),
    ],
)
def test_a_detail_over_two_messages(texts, parts):
    spans = find_split_identifiers(texts)
    assert [[text[s.start : s.end] for s in found] for text, found in zip(texts, spans, strict=True)] == parts


@pytest.mark.parametrize(
    "texts",
    [
        ["I have 3 cats", "2 dogs"],
        ["the answer is 42", "17 is prime"],
        ["see you at 5", "30 is fine, too"],
        ["write to ann@example.org", "thanks"],
        [],
        ["one"],
    ],
)
def test_messages_that_only_follow_each_other(texts):
    assert find_split_identifiers(texts) == [[] for _ in texts]
