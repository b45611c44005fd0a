"""Names of persons in fifteen languages: announced, greeted, signed, in fields and in the midst of sentences."""

import pytest

from depsim_dagster.privacy.detection.detect import find_identifiers


def persons(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_identifiers(text) if span.type == "person"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("my name is john smith and i need help", ["john smith"]),
        ("Yesterday Kevin told me that Sarah Thompson had called.", ["Kevin", "Sarah Thompson"]),
        ("Dear Mr. Brown, please meet Ms. Rose.", ["Brown", "Rose"]),
        ("Thanks,\nTom", ["Tom"]),
        ("Best, Chase", ["Chase"]),
        ("From: Lena Schmidt <lena@example.org>", ["Lena Schmidt"]),
        ("J. K. Okonkwo signed it", ["J. K. Okonkwo"]),
        ("MY NAME IS JOHN SMITH", ["JOHN SMITH"]),
        (
            "Siobhán O'Connor and Jean-Pierre Dupont-Lefèvre",
            ["Siobhán O'Connor", "Jean-Pierre Dupont-Lefèvre"],
        ),
        ("Geachte mevrouw van der Meer,", ["van der Meer"]),
        ("Mijn naam is joost van den berg", ["joost van den berg"]),
        ("Der Mieter Wolfgang Obermaier zahlt nicht.", ["Wolfgang Obermaier"]),
        ("Gentile Dott.ssa Morgagni, grazie", ["Morgagni"]),
        ("Ayer Lucía y Álvaro fueron al doctor Varela.", ["Lucía", "Álvaro", "Varela"]),
        ("Szanowna Pani Agnieszka Wiśniewska", ["Agnieszka Wiśniewska"]),
        ("меня зовут Анна Смирнова", ["Анна Смирнова"]),
        ("Громова Елена Сергеевна просит перезвонить", ["Громова Елена Сергеевна"]),
        ("Merhaba, benim adım Mehmet Yılmaz.", ["Mehmet Yılmaz"]),
        ("你好，我叫王晓梅。", ["王晓梅"]),
        ("昨日、山崎さんと会いました。", ["山崎"]),
        ("氏名：佐藤 花子", ["佐藤 花子"]),
        ("저는 김민수입니다.", ["김민수"]),
        ("اسمي محمد عبد الله", ["محمد عبد الله"]),
        ("मेरा नाम राजेश कुमार है", ["राजेश कुमार"]),
        ('{"first_name": "Mark", "last_name": "Stone"}', ["Mark", "Stone"]),
        ("Vorname: Lot\nNachname: de Roos", ["Lot", "de Roos"]),
        ("Patient: Grace Hope, 45", ["Grace Hope"]),
    ],
)
def test_a_name_is_found_whole(text, names):
    assert persons(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "Mark the boxes in May. Will this work? I hope so.",
        "What is the capital of France? Explain Stanford University.",
        "The Quick Brown Fox Jumps Over The Lazy Dog",
        "import React from 'react'; class Person extends Base",
        "Python, Django, Flask, Ruby on Rails and Java",
        "Ich habe einen Hund und eine Katze. Der Baum ist grün, das Haus alt.",
        "New York Times, United Nations, World War, San Francisco",
        "if value is None: raise ValueError",
        "Marie.find(x); Person.objects.get(Max)",
        "Merhaba, Bonjour, Hola, Guten Tag",
        "Dear Sir or Madam, Hello World, Hi there",
        "Monday, January, English, German and Christmas",
        "我们今天学习中文，明天去北京。",
        "今日は天気がいいですね。東京に行きます。",
        "저는 학생입니다. 오늘은 날씨가 좋아요.",
        "ما هي عاصمة فرنسا؟",
    ],
)
def test_ordinary_words_are_no_names(text):
    assert persons(text) == []


def test_a_full_name_is_found_again_by_its_parts():
    text = "Harriet Whitcombe wrote. Harriet is right, says Whitcombe."
    assert persons(text) == ["Harriet Whitcombe", "Harriet", "Whitcombe"]


def test_a_mail_address_tells_the_names_of_its_text():
    assert persons("Zyxara Quonblett <zyxara.quonblett@example.org>") == ["Zyxara Quonblett"]


def test_places_and_employers_count_in_a_text_about_somebody():
    found = {
        (span.type, text[span.start : span.end])
        for text in ["I live in Springfield and work at Brightwater Logistics LLC."]
        for span in find_identifiers(text)
    }
    assert found == {("place", "Springfield"), ("organisation", "Brightwater Logistics LLC")}
    assert find_identifiers("What is the weather in Springfield?") == []
