"""The generator never sees the original: what it gets is a shape, and equal shapes get equal surrogates."""

import inspect
import random
import re
import string
from typing import get_type_hints

import pytest
from planted_details import CASES

from depsim_dagster.privacy.surrogates import draws as surrogate_draws
from depsim_dagster.privacy.surrogates.draws import draw
from depsim_dagster.privacy.surrogates.shapes import (
    ALPHABETS,
    Shape,
    folded,
    form_of,
    script_of,
    shape_of,
    visible,
)
from depsim_dagster.privacy.surrogates.slots import Slot
from depsim_dagster.privacy.surrogates.templates import template_of


def slots(type_, original, language="en"):
    return [part for part in template_of(type_, original, language, {}) if isinstance(part, Slot)]


def test_a_generator_takes_a_shape_and_a_seed_and_nothing_else():
    assert list(inspect.signature(draw).parameters) == ["shape", "seed"]
    assert set(get_type_hints(Shape).values()) == {str}
    # Nor can it reach one: the module of the generators knows neither templates nor conversations.
    reachable = {getattr(value, "__module__", "") or "" for value in vars(surrogate_draws).values()}
    assert not {
        name for name in reachable if name.endswith(("templates", "values", "surrogates", "detection"))
    }


@pytest.mark.parametrize(("type_", "original"), CASES)
def test_a_shape_holds_no_part_of_the_original(type_, original):
    for slot in slots(type_, original):
        shape = slot.shape
        letters = {character for character in shape.form if character.isalnum()}
        assert letters <= set(ALPHABETS), "the form is made of class names"
        told = f"{shape.kind}|{shape.variant}|{shape.locale}".lower()
        words = [
            word
            for word in folded(slot.identity.partition(":")[2]).split()
            if len(word) > 4 and word.isalpha()
        ]
        assert not [word for word in words if word in told]
        public = re.sub(r":[0-6?]:[01]$", "", shape.variant)  # what a date says of its weekday and its order
        assert sum(map(str.isdecimal, public)) <= (6 if shape.kind == "ip4" else 4), (
            "a year, an issuer, a network"
        )


@pytest.mark.parametrize(("type_", "original"), CASES)
def test_another_original_of_the_same_shape_gets_the_same_draw(type_, original):
    """Letters and digits of the original changed, shape unchanged: so is the draw."""
    for slot in slots(type_, original):
        drawn = draw(slot.shape, 7)
        assert drawn == draw(slot.shape, 7)
        if slot.shape.kind in ("characters", "base64"):
            other = shuffled(original)
            shapes = [part.shape for part in slots(type_, other)]
            if slot.shape in shapes:
                assert draw(shapes[shapes.index(slot.shape)], 7) == drawn


def shuffled(original: str) -> str:
    """Another character of the same class for each."""
    source = random.Random(original)
    return "".join(
        source.choice(pool) if (pool := ALPHABETS.get(kind)) else character
        for kind, character in zip(form_of(original), original, strict=True)
    )


@pytest.mark.parametrize(
    "type_", ["passport", "account_number", "password", "driver_licence", "licence_number"]
)
def test_the_shape_is_a_function_of_character_classes_alone(type_):
    source = random.Random(3)
    for _ in range(50):
        text = "".join(
            source.choices(string.ascii_letters + string.digits + "-_.# ", k=source.randint(6, 20))
        )
        original = f"Ab1{text}"
        (one,), (two,) = slots(type_, original), slots(type_, shuffled(original))
        assert one.shape == two.shape and one.identity != two.identity
        assert draw(one.shape, 5) == draw(two.shape, 5)


def test_classes():
    assert form_of("Harriet 07 / 0x9F é") == "Aaaaaaa z0 / za1A a"
    assert form_of("Жук 王伟 김 한 カナ") == "Ббб 字字 가 가 カカ"
    assert shape_of("a1").form == "a1" and shape_of("é7").form == "a1"


def test_what_is_the_same_in_another_writing():
    assert (
        folded("ＨＡＲＲＩＥＴ")
        == folded("harriet")
        == folded("Har\u200briet")
        == folded("Hárriet")
        == "harriet"
    )
    assert folded("Jose\u0301") == folded("José") == "jose" and folded("STRASSE") == folded("straße")
    assert folded("김민준") == "김민준" and folded("राहुल") == "राहुल" and len(folded("が")) >= 1
    assert visible("Ｈar\u200briet") == "Harriet" and visible("राहुल") == "राहुल"
    assert [script_of(text) for text in ("Ann", "Иван", "王", "김", "かな", "משה", "राहुल", "12")] == [
        "latin", "cyrillic", "han", "hangul", "hiragana", "hebrew", "devanagari", "latin",
    ]  # fmt: skip
