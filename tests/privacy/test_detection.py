"""What is a personal detail and what only looks like one, in six languages."""

import time

import pytest

from depsim_dagster.privacy.detection.candidate_checks import is_iban, is_luhn
from depsim_dagster.privacy.detection.detect import find_identifiers


def found(text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("Write to harriet.w+x@mail.example.com today.", "email", "harriet.w+x@mail.example.com"),
        ("mailto:o'brien@example.co.uk", "email", "o'brien@example.co.uk"),
        ("The card is 4111 1111 1111 1111.", "card", "4111 1111 1111 1111"),
        ("4111111111111111 123 12/28", "card", "4111111111111111"),
        ("4111-1111-1111-1111, exp 12/28", "card", "4111-1111-1111-1111"),
        ("amex 378282246310005", "card", "378282246310005"),
        ("No.4111 1111 1111 1111 2026", "card", "4111 1111 1111 1111"),
        ("IBAN DE89370400440532013000 BITTE", "iban", "DE89370400440532013000"),
        ("DE89 3704 0044 0532 0130 00 IS MINE", "iban", "DE89 3704 0044 0532 0130 00"),
        ("ES91 2100 0418 4502 0005 1332 CODE", "iban", "ES91 2100 0418 4502 0005 1332"),
        ("ssh 203.0.113.7 now", "ip_address", "203.0.113.7"),
        ("at 2001:db8:12::ff00:42.", "ip_address", "2001:db8:12::ff00:42"),
        ("Call +1 (415) 555-0134!", "phone", "+1 (415) 555-0134"),
        ("or (415) 555-0134", "phone", "(415) 555-0134"),
        ("or 1-800-555-0199", "phone", "1-800-555-0199"),
        ("SSN 078-05-1120", "national_id", "078-05-1120"),
        ("CPF 529.982.247-25", "national_id", "529.982.247-25"),
        ("身份证11010519491231002X。", "national_id", "11010519491231002X"),
        ("key sk-proj-Ab3dEf6hIj9kLm2nOp5q", "api_key", "sk-proj-Ab3dEf6hIj9kLm2nOp5q"),
        ("AKIAISNIDPMWWSRKBRSL", "api_key", "AKIAISNIDPMWWSRKBRSL"),
        ("ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "api_key", "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"),
        (
            "postgres://app:s3cret@db.local:5432/app",
            "url_with_credentials",
            "postgres://app:s3cret@db.local:5432/app",
        ),
        ("I live at 12 Marlowe Street, Ashford.", "street_address", "12 Marlowe Street, Ashford"),
        ("Vivo en Calle de los Olmos 12, Zaragoza.", "street_address", "Calle de los Olmos 12, Zaragoza"),
        ("Ich wohne in Lindenstraße 12, 50674 Köln.", "street_address", "Lindenstraße 12, 50674 Köln"),
        ("J'habite au 12 rue des Tilleuls, 69003 Lyon.", "street_address", "12 rue des Tilleuls, 69003 Lyon"),
        ("Moro na Rua das Acácias 12, Curitiba.", "street_address", "Rua das Acácias 12, Curitiba"),
        ("我住在杭州市文三路12号。", "street_address", "杭州市文三路12号"),
        ("Hello, my name is Harriet Whitcombe.", "person", "Harriet Whitcombe"),
        ("Regards,\nGordon Okonkwo", "person", "Gordon Okonkwo"),
        ("Hi, this is Priya.", "person", "Priya"),
        ("This is Priya Iyer speaking", "person", "Priya Iyer"),
        ("Me llamo María de los Ángeles Ibáñez.", "person", "María de los Ángeles Ibáñez"),
        ("Ich heiße Jürgen Grünwald und", "person", "Jürgen Grünwald"),
        ("Je m’appelle Élodie Lefèvre", "person", "Élodie Lefèvre"),
        ("Meu nome é Thiago Guimarães", "person", "Thiago Guimarães"),
        ("我叫欧阳伟明。", "person", "欧阳伟明"),
        ("你好，我是王晓梅，请问", "person", "王晓梅"),
        ("手机13812345678", "phone", "13812345678"),
        ("我的电话是+8613812345678", "phone", "+8613812345678"),
        ("我的邮箱是zhang@example.com，谢谢", "email", "zhang@example.com"),
        ("我的邮箱是zhang@example.com谢谢", "email", "zhang@example.com"),
        ("卡号4111111111111111谢谢", "card", "4111111111111111"),
        ("服务器203.0.113.7挂了", "ip_address", "203.0.113.7"),
        ("Mi teléfono es +34 612 345 678.", "phone", "+34 612 345 678"),
        ("Meine Nummer ist 0151 12345678.", "phone", "0151 12345678"),
        ("Mon numéro est le 06 12 34 56 78.", "phone", "06 12 34 56 78"),
        ("Meu telefone é (11) 91234-5678", "phone", "(11) 91234-5678"),
        ("Ring 020 7946 0958", "phone", "020 7946 0958"),
    ],
)
def test_details_are_found_whole(text, type_, value):
    assert found(text) == [(type_, value)]


@pytest.mark.parametrize(
    "text",
    [
        "x = 12 + 123456789 - 4 * 1+123456789",
        "numpy==1.26.4, v1.2.3.4 and Chrome 120.0.6099.109",
        "npm i react@18.2.0-rc.1 vue@next lodash@^4.17.21",
        "uses: actions/checkout@v4.1.2",
        "OID 1.3.6.1.4.1.311 and section 1.2.3.4.5",
        "dates 01.02.2026, 2026-01-05, 05/01/2026 12:30:45",
        "550e8400-e29b-41d4-a716-446655440000",
        "41111111-1111-1111-1111-111111111111",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "$1,234.56 or 1.234,56 € or 4 111 111 EUR",
        "at 1767571200000 ms, id 1234567890123456",
        "pi is 3.14159265358979323846 and 0.4111111111111111",
        "number 4111 1111 1111 1112 has a wrong check digit",
        "DE88370400440532013000 has a wrong check digit",
        'host = "127.0.0.1"; mask 255.255.255.0; any 0.0.0.0; ::1',
        "std::vector<A::B> x; a::b; ab::cd",
        "git clone git@github.com:org/repo.git",
        "@app.route('/x') def f(self): return a @ b.T",
        "pk_constraint_name_on_table, skeletonization_algorithm, sk-circle-fade-animation",
        "This is Great! This is Python code. This is URGENT.",
        "Regards,\nThe Team",
        "My name is important to me, and yours?",
        "我是学生。我是程序员，我是高中生。",
        "I have 2 places to visit at 5 PM and 3 steps to go the right way",
        "1 place in the world; take 2 avenue tickets",
        "Via email 24 hours a day",
        "https://example.com:8080/path?x=1",
        "50% of 90210 is 45105",
        "",
    ],
)
def test_code_numbers_and_phrases_are_left_alone(text):
    assert found(text) == []


def test_a_longer_span_wins_and_spans_never_overlap():
    text = "https://harriet:pw@files.example.net/x and harriet@example.com"
    spans = find_identifiers(text)
    assert [span.type for span in spans] == ["url_with_credentials", "email"]
    assert all(one.end <= two.start for one, two in zip(spans, spans[1:], strict=False))


def test_a_name_ends_at_the_end_of_its_line():
    assert found("My name is Harriet\n\nPython is nice") == [("person", "Harriet")]
    assert found("My name is Harriet's") == [("person", "Harriet")]


HOSTILE = (
    "a-", "A-", "1 ", "1", "sk-", "a.b@", "DE89 ", "::", "12 Rue de ", "My name is ", "Rua da Ana ", "+1 ", "a://b:", "路",
    "x@y.com ", "Ann ", "Dr. ", "A. ", "ann at ", "one ", "password: ", "name: ", "born 1 ", "john dot ", "王伟", "김민수 ", "محمد ",
    "1.", "(", "12 A ", "1 St ", "e\u0301", "\u200b", "аa", "@a ", "-----BEGIN PRIVATE KEY-----", "Server=a;", "account number ",
    "name,email\n", "A\n", "AB1 ", "0x", "4111 ", "\\n", "(a) VALUES (", "last name: van ",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_conversation_can_stall_the_recognisers(piece):
    """Eight times the text takes about eight times as long; what grew with the square would take 64 times."""

    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        runs = []
        for _ in range(3):
            started = time.process_time()
            find_identifiers(text)
            runs.append(time.process_time() - started)
        return min(runs)

    assert seconds(20_000) / max(seconds(2_500), 0.005) < 30


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("4111111111111111", True),
        ("4111 1111 1111 1112", False),
        ("0", False),
        ("79927398713", False),
        ("378282246310005", True),
    ],
)
def test_luhn(value, valid):
    assert is_luhn(value) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("GB82 WEST 1234 5698 7654 32", True),
        ("GB82 WEST 1234 5698 7654 33", False),
        ("DE89", False),
        ("FR1420041010050500013M02606", True),
    ],
)
def test_iban(value, valid):
    assert is_iban(value) is valid


@pytest.mark.parametrize(
    "text",
    [
        "EN 60601-1, section 4.2.3.6, figure 12.68",
        "P(B) = 0.66 and 0.283 / 0.2725",
        "def visit_Name(self, node: ast.Name) -> None:",
        'docker run --rm -p 2190:80 -v "$PWD":/src nginx:1.27.1',
    ],
)
def test_what_stands_in_documents_formulas_and_code_is_no_detail(text):
    assert found(text) == []
