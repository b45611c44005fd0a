# ruff: noqa: E501
"""What counts as removed, what as changed without need, and the sets that people hold."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.cli import main
from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.privacy.scoring.alignment import align
from depsim_dagster.privacy.scoring.label_names import OUR_TYPES, our_type
from depsim_dagster.privacy.scoring.labelled_files import Rejects, read_labelled
from depsim_dagster.privacy.scoring.report import failures
from depsim_dagster.privacy.scoring.score import LabelledMessage, LabelledSpan, Recall, score


def labelled(text, *details, language=None, kind=None):
    """A message in which each (value, type) is marked where it stands first."""
    spans = []
    for value, type_ in details:
        start = text.index(value)
        spans.append(LabelledSpan(start, start + len(value), type_))
    return LabelledMessage(text, tuple(spans), language, kind)


def verdict(before, value, type_, after):
    seen = []
    message = labelled(before, (value, type_))
    result = score([message], lambda _: after, lambda message, span, verdict: seen.append(verdict))
    return seen[0] if seen else "removed", result.over_redaction["-"].changed


# ------------------------------------------------------------------------------------------------------ what is a leak


@pytest.mark.parametrize(
    ("before", "value", "type_", "after", "expected"),
    [
        ("I am Anna Lee.", "Anna Lee", "person", "I am Bea Cow.", "removed"),
        ("I am Anna Lee.", "Anna Lee", "person", "I am Anna Lee.", "left"),
        ("I am Anna Lee.", "Anna Lee", "person", "I am Bea Cow. ANNA LEE", "left"),
        ("I am Anna Lee.", "Anna Lee", "person", "I am Ａｎｎａ L\u200bee.", "left"),
        ("I am Anna Lee.", "Anna Lee", "person", "I am [NAME] Lee.", "partial"),
        ("I am Dr. Lee.", "Dr. Lee", "person", "I am Dr. Cow.", "removed"),
        ("I am Anna Hill.", "Anna Hill", "person", "I am Bea Hill.", "partial"),
        ("at 9 Oak Hill", "9 Oak Hill", "street_address", "at 7 Elm Hill", "removed"),
        # An ordinary word that is somebody's name elsewhere is none here; in its own place it is.
        ("Mark, please mark it.", "Mark", "person", "Tom, please mark it.", "removed"),
        ("Mark, please go.", "Mark", "person", "mark, please go.", "left"),
        ("I know Marks and Mark.", " Mark", "person", "I know Marks and Tom.", "removed"),
        ("我叫王小明，你好", "王小明", "person", "我叫李大山，你好", "removed"),
        ("我叫王小明，你好", "王小明", "person", "我叫李小明，你好", "partial"),
        ("我叫王小明，你好", "王小明", "person", "我叫王小明，你好", "left"),
        ("at 12 Baker Street, London", "12 Baker Street, London", "street_address", "at 9 Elm Street, Leeds", "removed"),
        ("at 12 Baker Street, London", "12 Baker Street, London", "street_address", "at 9 Elm Street, London", "partial"),
        ("call +1 212 555 7812 now", "+1 212 555 7812", "phone", "call +12125557812 now", "left"),
        ("call +1 212 555 7812 now", "+1 212 555 7812", "phone", "call +1 (212) 555-7812 now", "left"),
        ("call +1 212 555 7812 now", "+1 212 555 7812", "phone", "call +1 212 340 1299 now", "removed"),
        ("call +1 212 555 7812 now", "+1 212 555 7812", "phone", "call +1 212 340 7812 now", "partial"),
        ("call +1 212 555 7812 now", "+1 212 555 7812", "phone", "call <PHONE> 5557812 now", "partial"),
        # The same digits inside of a longer number are another number.
        ("id 1234567 ok", "1234567", "account_number", "id 912345678 ok", "partial"),
        ("born 12 March 1984 in", "12 March 1984", "birth_date", "born 3 June 1984 in", "removed"),
        ("born 12 March 1984 in", "12 March 1984", "birth_date", "born 12 March 1991 in", "partial"),
        ("生年月日1975年8月13日。", "1975年8月13日", "birth_date", "生年月日1970年8月30日。", "removed"),
        ("生年月日1975年8月13日。", "1975年8月13日", "birth_date", "生年月日1970年8月13日。", "partial"),
        ("to ann dot lee at gmail dot com now", "ann dot lee at gmail dot com", "email", "to bea dot cow at gmail dot com now", "removed"),
        ("it's two one two five five five oh", "two one two five five five", "phone", "it's two one nine five one six oh", "removed"),
        ("it's two one two five five five oh", "two one two five five five", "phone", "it's 212 555 oh", "left"),
        ("at 三井食品有限公司 now", "三井食品有限公司", "organisation", "at 东方家具有限公司 now", "removed"),
        ("to ann.lee@acme.com now", "ann.lee@acme.com", "email", "to bea.cow@post.com now", "removed"),
        ("to ann.lee@gmail.com now", "ann.lee@gmail.com", "email", "to bea.cow@gmail.com now", "removed"),
        ("to ann.lee@acme.com now", "ann.lee@acme.com", "email", "to bea.cow@acme.com now", "partial"),
        ("to ann.lee@acme.com now", "ann.lee@acme.com", "email", "to ann.x@post.com now", "partial"),
        ("db://ann:s3cret@h.acme.io:5432/app", "db://ann:s3cret@h.acme.io:5432/app", "url_with_credentials", "db://bea:h2x@g.post.io:5432/app", "removed"),
        ("db://ann:s3cret@h.acme.io:5432/app", "db://ann:s3cret@h.acme.io:5432/app", "url_with_credentials", "db://bea:s3cret@g.post.io:5432/app", "partial"),
        ("from 192.168.1.17 in", "192.168.1.17", "ip_address", "from 192.168.44.9 in", "removed"),
        ("from 81.2.69.142 in", "81.2.69.142", "ip_address", "from 81.2.69.7 in", "partial"),
        ("key sk-proj-AbCdEfGhIjKlMnOp end", "sk-proj-AbCdEfGhIjKlMnOp", "api_key", "key sk-proj-QrStUvWxYz012345 end", "removed"),
        ("key sk-proj-AbCdEfGhIjKlMnOp end", "sk-proj-AbCdEfGhIjKlMnOp", "api_key", "key *** proj-AbCdEfGhIjKlMnOp end", "partial"),
        ("aged 93 now, 93 apples", "93", "age", "aged 97 now, 93 apples", "removed"),
        ("a thing Zebra7 here", "Zebra7", "SOMETHING", "a thing gone here", "removed"),
        ("a thing Zebra7 here", "Zebra7", "SOMETHING", "a thing Zebra7 here", "left"),
        ("the mark ★★ here", "★★", "SOMETHING", "the mark ★★ here", "left"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_detail(before, value, type_, after, expected):
    assert verdict(before, value, type_, after)[0] == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("host=db.post.net port=5432 user=bea password=Qq11xx22", "removed"),
        ("host=db.post.net port=5432 user=bea password=s3cretXY", "partial"),
        ("host=db.acmefarm.io port=5432 user=bea password=Qq11xx22", "partial"),
    ],
)
def test_of_a_connection_string_user_password_and_host_must_go(after, expected):
    before = "host=db.acmefarm.io port=5432 user=anna password=s3cretXY"
    assert verdict(f"use {before} here", before, "connection_string", f"use {after} here")[0] == expected


def test_nothing_removed_is_all_left_and_everything_masked_is_all_removed():
    from labelled_messages import labelled_messages

    messages = list(labelled_messages(3, per_locale=8))
    masked = {}
    for message in messages:
        ends = [0, *(span.end for span in message.spans)]
        starts = [*(span.start for span in message.spans), len(message.text)]
        masked[message.text] = "***".join(message.text[a:b] for a, b in zip(ends, starts, strict=True))
    spans = sum(len(message.spans) for message in messages)
    assert score(messages, lambda text: text).total == Recall(spans, 0, spans)
    assert score(messages, masked.__getitem__).total == Recall(spans, 0, 0)


def test_a_long_key_of_which_half_is_left_is_a_miss():
    draw = random.Random(4)
    key = "".join(draw.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(600))
    text = f"-----BEGIN KEY-----\n{key}\n-----END KEY-----"
    assert verdict(text, key, "private_key", text.replace(key, "x" * 600))[0] == "removed"
    assert verdict(text, key, "private_key", text.replace(key[:200], "y" * 200))[0] == "partial"


# ----------------------------------------------------------------------------------------------------- over-redaction


def test_only_characters_outside_of_labelled_spans_count():
    message = labelled("Ask Anna Lee about the Paris office today", ("Anna Lee", "person"), kind="chat")
    result = score([message], lambda _: "Ask Bea Cow about the Rome office today")
    assert result.over_redaction["chat"].changed == len("Paris")
    assert result.over_redaction["chat"].characters == len(message.text) - len("Anna Lee")
    assert result.over_redaction["chat"].share == pytest.approx(5 / 33)


def test_a_longer_or_shorter_replacement_shifts_nothing():
    text = "a = 1\nname = 'Anna Lee'\nb = [1, 2, 3, 3, 3]\n"
    for replacement in ("B", "Bartholomew van der Berg-Hohenstein", ""):
        assert verdict(text, "Anna Lee", "person", text.replace("Anna Lee", replacement)) == ("removed", 0)


@settings(max_examples=200, deadline=None)
@given(st.text("ab 王1.\n", max_size=60), st.text("ab 王1.\n", max_size=60))
def test_what_is_kept_is_equal_and_in_order(before, after):
    alignment = align(before, after)
    pairs = [
        (before[slice(*alignment.before[a])], after[slice(*alignment.after[b])]) for a, b in alignment.kept
    ]
    assert all(ours == theirs for ours, theirs in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in zip(alignment.kept, alignment.kept[1:], strict=False))
    if before == after:
        assert len(pairs) == len(alignment.before)


@pytest.mark.parametrize("words", [["0", "1", ",", " "], [f"w{n} " for n in range(5000)]])
def test_a_long_text_of_few_words_is_aligned(words):  # a quadratic comparison of these takes hours
    draw = random.Random(7)
    text = "".join(draw.choice(words) for _ in range(150_000 // len(words[-1])))
    changed = text.replace(words[1] + words[0], "zzz")
    lost = text.count(words[1] + words[0]) * len(words[1] + words[0])
    message = LabelledMessage(f"Anna Lee {text}", (LabelledSpan(0, 8, "person"),))
    result = score([message], lambda _: f"Bea Cow {changed}")
    assert result.total == Recall(1, 0, 0)
    assert lost <= result.over_redaction["-"].changed <= 3 * lost + 10


# ----------------------------------------------------------------------------------------------------------- the score


def test_counts_by_type_language_and_kind():
    messages = [
        labelled("I am Anna Lee", ("Anna Lee", "person"), language="en", kind="chat"),
        labelled("Ich bin Anna Lee", ("Anna Lee", "person"), language="de", kind="letter"),
        labelled("mail a@acme.io", ("a@acme.io", "email"), language="en", kind="chat"),
    ]
    result = score(
        messages, lambda text: text.replace("a@acme.io", "b@post.net").replace("Ich bin Anna", "Ich bin Bea")
    )
    assert result.by_type == {"email": Recall(1, 0, 0), "person": Recall(2, 1, 1)}
    assert result.by_language == {"de": Recall(1, 1, 0), "en": Recall(2, 0, 1)}
    assert result.by_kind == {"chat": Recall(2, 0, 1), "letter": Recall(1, 1, 0)}
    assert result.by_type_and_language[("person", "de")] == Recall(1, 1, 0)
    assert result.total.recall == pytest.approx(1 / 3) and result.messages == 3
    assert json.loads(json.dumps(result.document()))["recall"]["person"]["partial"] == 1


def test_limits_are_those_of_clopper_and_pearson():
    from scipy.stats import binomtest

    for spans, missed in ((100, 0), (100, 3), (5, 5), (1, 0)):
        exact = binomtest(spans - missed, spans).proportion_ci(0.95, "exact")
        assert Recall(spans, 0, missed).interval() == pytest.approx((exact.low, exact.high))


def test_what_the_callable_raises_or_returns_is_told_without_its_text():
    def choking(text):
        raise ValueError(f"cannot read {text}")

    for bad, word in ((choking, "ValueError"), (lambda text: None, "NoneType")):
        with pytest.raises(ConfigurationError, match=f"{word}.*message 1") as caught:
            score([labelled("I am Anna Lee", ("Anna Lee", "person"))], bad)
        assert "Anna" not in str(caught.value) and caught.value.__suppress_context__ | (
            caught.value.__context__ is None
        )


# ----------------------------------------------------------------------------------------------------- files of others

TEXT = "Anna Lee, ann@acme.io"
DIALECTS = {
    "ours": {"text": TEXT, "spans": [{"start": 0, "end": 8, "type": "person"}, {"start": 10, "end": 21, "type": "email"}]},
    "presidio": {
        "full_text": TEXT,
        "spans": [
            {"entity_type": "PERSON", "entity_value": "Anna Lee", "start_position": 0, "end_position": 8},
            {"entity_type": "EMAIL_ADDRESS", "entity_value": "ann@acme.io", "start_position": 10, "end_position": 21},
        ],
        "template_id": 7,
    },
    "ai4privacy": {
        "source_text": TEXT,
        "privacy_mask": [{"value": "Anna Lee", "start": 0, "end": 8, "label": "GIVENNAME1"}, {"value": "ann@acme.io", "start": 10, "end": 21, "label": "EMAIL"}],
        "language": "en",
    },
    "ai4privacy as Python": {
        "unmasked_text": TEXT,
        "privacy_mask": "[{'value': 'Anna Lee', 'start': 0, 'end': 8, 'label': 'LASTNAME'}, {'value': 'ann@acme.io', 'start': 10, 'end': 21, 'label': 'EMAIL'}]",
    },
    "ai4privacy of old": {"unmasked_text": TEXT, "privacy_mask": "{'[FIRSTNAME_1]': 'Anna Lee', '[EMAIL_1]': 'ann@acme.io'}"},
    "gretel": {"generated_text": TEXT, "pii_spans": '[{"start": 0, "end": 8, "label": "name"}, {"start": 10, "end": 21, "label": "email"}]'},
    "gretel without offsets": {"text": TEXT, "entities": "[{'entity': 'Anna Lee', 'types': ['first_name']}, {'entity': 'ann@acme.io', 'types': ['email']}]"},
    "nemotron": {"text": TEXT, "spans": "[{'start': 0, 'end': 8, 'text': 'Anna Lee', 'label': 'first_name'}, {'start': 10.0, 'end': 21.0, 'text': 'ann@acme.io', 'label': 'email'}]", "domain": "law"},
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".parquet"])
def test_every_dialect_in_every_format(tmp_path, dialect, suffix):
    row = DIALECTS[dialect]
    file = tmp_path / f"set{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row, row]), file)
    elif suffix == ".csv":
        import csv

        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(row))
            writer.writeheader()
            writer.writerows([{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()}] * 2)
    else:
        text = (
            json.dumps([row, row])
            if ".json" in suffix and "jsonl" not in suffix
            else (json.dumps(row) + "\n\n") * 2
        )
        file.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    messages = list(read_labelled(file))
    assert len(messages) == 2
    assert messages[0].text == TEXT
    assert messages[0].spans == (LabelledSpan(0, 8, "person"), LabelledSpan(10, 21, "email"))
    assert messages[0].language == row.get("language") and messages[0].kind == row.get("domain")


BAD_ROWS = {
    "not JSON": "{",
    "not an object": "[1]",
    "no text": '{"spans": []}',
    "no list of spans": '{"text": "Anna"}',
    "not a list": '{"text": "Anna", "spans": 7}',
    "neither JSON nor": '{"text": "Anna", "spans": "[(("}',
    "has no type": '{"text": "Anna", "spans": [{"start": 0, "end": 4}]}',
    "no start": '{"text": "Anna", "spans": [{"start": "0", "end": 4, "type": "x"}]}',
    "does not lie": '{"text": "Anna", "spans": [{"start": 0, "end": 5, "type": "x"}]}',
    "not its value": '{"text": "Anna", "spans": [{"start": 0, "end": 4, "value": "Otto", "label": "x"}]}',
    "is not in the text": '{"text": "Anna", "entities": [{"entity": "Otto", "types": ["x"]}]}',
    "not JSON (deep)": "[" * 100_000,
}


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_a_bad_row_is_one_error_with_its_line_or_a_counted_reject(tmp_path, reason):
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps(DIALECTS["ours"]) + "\n" + BAD_ROWS[reason] + "\n", encoding="utf-8")
    with pytest.raises(TrafficError, match=f"line 2: .*{reason.split(' (')[0]}") as caught:
        list(read_labelled(file))
    assert "Anna" not in str(caught.value)
    rejects = Rejects()
    assert len(list(read_labelled(file, rejects))) == 1
    assert rejects.count == 1 and rejects.first == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", b""), ("a.jsonl", b"\xff\xfe{}"), ("a.jsonl.gz", b"no gzip"), ("a.parquet", b"PAR1")],
)
def test_a_damaged_file_is_told_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrafficError, match=name):
        list(read_labelled(tmp_path / name))


@pytest.mark.parametrize(
    ("label", "type_"),
    [
        ("B-GIVENNAME1", "person"), ("FIRSTNAME", "person"), ("last_name", "person"), ("I-PER", "person"),
        ("STREET", "street_address"), ("BUILDINGNUM", "street_address"), ("CITY", "place"), ("ZIPCODE", "postal_code"),
        ("US_SSN", "national_id"), ("IBAN_CODE", "iban"), ("IPV4", "ip_address"), ("CREDITCARDNUMBER", "card"),
        ("date_of_birth", "birth_date"), ("url_with_credentials", "url_with_credentials"), ("EYECOLOR", "EYECOLOR"), ("PHONEIMEI", "device_id"),
    ],
)  # fmt: skip
def test_labels_of_others(label, type_):
    assert our_type(label) == type_


def test_our_types_are_those_of_the_detection():
    assert {"person", "email", "age", "url_with_credentials", "connection_string"} <= OUR_TYPES
    assert all(our_type(name) == name for name in OUR_TYPES)


# --------------------------------------------------------------------------------------------------------- the command


def run(*arguments):
    return CliRunner().invoke(main, ["privacy", *map(str, arguments)])


@pytest.fixture
def small_set(tmp_path):
    file = tmp_path / "set.jsonl"
    rows = [DIALECTS["ours"], {"text": "x = 1", "spans": [], "kind": "code"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_the_command_counts_and_quotes_nothing(small_set, tmp_path):
    result = run("score", small_set, "--engine", "none", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "0.000" in result.output and "person" in result.output and "2 messages" in result.output
    written = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert "Anna" not in result.output + written and "acme" not in result.output + written
    assert json.loads(written)["recall"]["email"]["left"] == 1


def test_misses_are_shown_only_when_asked_for(small_set):
    result = run("score", small_set, "--engine", "none", "--show-misses", 1)
    assert "warning" in result.output and "Anna Lee" in result.output and "ann@acme.io" not in result.output


def test_thresholds_decide_the_exit_code(small_set, tmp_path):
    (tmp_path / "mine.py").write_text("def hide(text):\n    return 'y = 2' if text == 'x = 1' else '***'\n")
    mine = ("--detector", f"{tmp_path}/mine.py:hide")
    passing = run("score", small_set, *mine, "--fail-under", "email=1", "--fail-under", "all=0.9")
    assert passing.exit_code == 0, passing.output
    failing = run(
        "score", small_set, "--engine", "none", "--fail-under", "email=0.5", "--fail-under", "person=0"
    )
    assert (
        failing.exit_code == 1
        and "email: recall is 0.0000, below 0.5" in failing.output
        and "person:" not in failing.output
    )
    over = run("score", small_set, *mine, "--fail-under", "over-redaction:code=0.01")
    assert over.exit_code == 1 and "over-redaction:code is 0.4" in over.output
    for wrong, word in (
        ("emial=0.9", "no `emial`"),
        ("email", "give a type"),
        ("email=2", "give a type"),
        ("email=nan", "give a type"),
    ):
        result = run("score", small_set, *mine, "--fail-under", wrong)
        assert result.exit_code == 1 and word in result.output


def test_a_threshold_that_is_met_exactly_passes():
    result = score([labelled("I am Anna Lee", ("Anna Lee", "person"))] * 2, lambda text: "I am Bea Cow")
    assert failures(result, ["person=1", "over-redaction=0"]) == []


def test_bad_rows_and_empty_sets_are_errors(tmp_path):
    file = tmp_path / "set.jsonl"
    file.write_text("{\n", encoding="utf-8")
    assert "line 1" in run("score", file, "--engine", "none").output
    result = run("score", file, "--engine", "none", "--skip-bad")
    assert result.exit_code == 1 and "no labelled message" in result.output
    assert run("score", file, "--detector", "no.such:function").exit_code == 1


def test_coverage_shows_all_eighteen():
    result = run("coverage")
    assert result.exit_code == 0
    assert "Biometric" in result.output and "Names" in result.output
