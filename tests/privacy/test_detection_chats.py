"""Details as people type them into a chat: names in small letters, towns, order numbers; and what only looks like them."""

from __future__ import annotations

import pytest

from depsim_dagster.privacy.detection.detect import find_identifiers


def found(text):
    return [(span.type, text[span.start : span.end]) for span in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("rewrite this mail to my boss karen?", "person", "karen"),
        ("ma copine manon ne répond plus", "person", "manon"),
        ("my shrink (dr feingold) moved", "person", "feingold"),
        ("reply to kavya that i can't come", "person", "kavya"),
        ("and remind xavier about my keys", "person", "xavier"),
        ("the rota: George on Tuesday, Nguyen Van An on Friday", "person", "Nguyen Van An"),
        ("OKONJO, NNEKA 44F admitted with pain", "person", "OKONJO, NNEKA"),
        ("こんにちは、田中と申します。", "person", "田中"),
        ("夫の健一が病気です。", "person", "健一"),
        ("मैं सुनीता शर्मा हूँ", "person", "सुनीता शर्मा"),
        ("I am Bhavesh Patel from Ahmedabad. My wife left.", "place", "Ahmedabad"),
        ("mam na imię Zuzanna i mieszkam w Rzeszowie", "place", "Rzeszowie"),
        ("Ben Elif, Eskişehir'de yaşıyorum", "place", "Eskişehir"),
        ("我住在成都", "place", "成都"),
        ("仙台市に住んでいます", "place", "仙台市"),
        ("저는 대구에 사는 사람입니다", "place", "대구"),
        ("मैं लखनऊ में रहती हूँ", "place", "लखनऊ"),
        ("ولدت في حلب", "place", "حلب"),
        ("order #112-9983476-2231456 is lost", "account_number", "#112-9983476-2231456"),
        ("claim CLM-2024-00918 was denied", "account_number", "CLM-2024-00918"),
        ("ticket INC0012345", "account_number", "INC0012345"),
        ("Booking reference QX7RLP", "account_number", "QX7RLP"),
        ("ping me at luis dot ortega at protonmail dot com", "email", "luis dot ortega at protonmail dot com"),
        ("left at 12 Wharfdale Close, Bradford, thanks", "street_address", "12 Wharfdale Close, Bradford"),
        ("he lives at number 46, Allika street", "street_address", "number 46, Allika street"),
        ("woont op Laan van Meerdervoort 501, Den Haag", "street_address", "Laan van Meerdervoort 501, Den Haag"),
        ("My mom Consuelo is 93 and alone.", "age", "93"),
        ("wurde am 17. Mai 1931 in Breslau geboren", "birth_date", "17. Mai 1931"),
        ("Record date: 2079-05-12\nThe patient is a man", "date", "2079-05-12"),
        ("my kid goes to Whispering Pines Elementary", "organisation", "Whispering Pines Elementary"),
    ],
)  # fmt: skip
def test_a_detail_in_a_chat_is_found(text, type_, value):
    assert (type_, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "my sister always borrows my clothes, my brother never helps",
        "my boss wants a report by friday",
        "my friend said that coffee is bad for me",
        "a member since 2020, see case 2019-2020 and order 123",
        "My Aadhaar is lost",
        "What did Nikola Tesla invent, and how did Thomas Edison respond?",
        "Explain the Reynolds number and Dijkstra's algorithm.",
        "E.G. CAT becomes COT",
        "import redis from my cache",
    ],
)
def test_what_only_looks_like_one_stays(text):
    assert found(text) == []
