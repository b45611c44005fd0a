"""Numbers, codes, secrets and dates that are personal by the words beside them, in a dozen languages."""

import pytest

from depsim_dagster.privacy.detection.detect import find_identifiers


def found(text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("my account number is 12345678", "bank_account", "12345678"),
        ("Account nmuber: 30550259", "account_number", "30550259"),
        ("Meine Kundennummer lautet 4711-0815.", "account_number", "4711-0815"),
        ("numéro de client : AB-99812", "account_number", "AB-99812"),
        ("número de socio 881234", "account_number", "881234"),
        ("codice cliente: C88123", "account_number", "C88123"),
        ("klantnummer 5512345", "account_number", "5512345"),
        ("z kontem 531-17144", "bank_account", "531-17144"),
        ("kundnummer 771234", "account_number", "771234"),
        ("номер заказа 4455667", "account_number", "4455667"),
        ("我的护照号是E12345678", "passport", "E12345678"),
        ("계좌번호는 110-234-567890입니다", "bank_account", "110-234-567890"),
        ("driver's license number D123-4567-8901", "driver_licence", "D123-4567-8901"),
        ("MRN: 12-345-67", "medical_record", "12-345-67"),
        ("DEA number AB1234563", "licence_number", "AB1234563"),
        ("IMEI 06-184755-866851-3", "device_id", "06-184755-866851-3"),
        ("VIN 1HGCM82633A004352", "vehicle_id", "1HGCM82633A004352"),
        ("license plate 7XYZ 492", "vehicle_id", "7XYZ 492"),
        ("CVV 824", "account_number", "824"),
        ("my pin is 4821", "password", "4821"),
        ("swift code DEUTDEFF500", "bank_account", "DEUTDEFF500"),
        ("username: john_doe92", "username", "john_doe92"),
        ("discord n1ghtowl#4432", "username", "n1ghtowl#4432"),
        ("Accepted password for gaelh22 from here", "username", "gaelh22"),
        ("DOB: 05/12/1984", "birth_date", "05/12/1984"),
        ("geboren am 3. Mai 1971", "birth_date", "3. Mai 1971"),
        ("née le 12 août 1985", "birth_date", "12 août 1985"),
        ("生年月日は1985年4月12日です", "birth_date", "1985年4月12日"),
        ("Doğum tarihim 13.09.1963", "birth_date", "13.09.1963"),
        ("I was born in 1984", "birth_date", "1984"),
        ("discharged on 2023-01-09", "date", "2023-01-09"),
        ("she is 93 years old", "age", "93"),
        ("我奶奶今年104岁", "age", "104"),
        ("password: hunter2", "password", "hunter2"),
        ("Mein Passwort ist Tulp!2024x", "password", "Tulp!2024x"),
        ("for the password the old one was sZdRLItsOAme", "password", "sZdRLItsOAme"),
        ("Authorization: Bearer abcdef1234567890abcdef", "api_key", "abcdef1234567890abcdef"),
        ('const apiKey = "a8f3k2l9x0z8q7w6e5r4"', "api_key", "a8f3k2l9x0z8q7w6e5r4"),
        ("host=db1 port=5432 user=app password=s3cretX9", "connection_string", "host=db1 port=5432 user=app password=s3cretX9"),
        ("Server=db1;User Id=sa;Password=Pa55w0rd;", "connection_string", "Server=db1;User Id=sa;Password=Pa55w0rd"),
        ("jdbc:postgresql://h/db?user=a&password=s3cretX9", "connection_string", "jdbc:postgresql://h/db?user=a&password=s3cretX9"),
        ("https://www.linkedin.com/in/harriet-w", "url", "https://www.linkedin.com/in/harriet-w"),
        ("GPS: 40.712776, -74.005974", "place", "40.712776, -74.005974"),
    ],
)  # fmt: skip
def test_a_detail_by_its_context(text, type_, value):
    assert (type_, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "The account manager is a member since 2020 and paid 12345 dollars.",
        "password: string\nusername: str",
        "The password is required. Pass it to the function.",
        "export API_KEY=your-api-key TOKEN=${TOKEN} PASSWORD=<password> SECRET=xxxx",
        "token = tokenizer.encode(text)",
        "password = input('x'); pwd = os.environ['PWD']",
        "born to be wild in 3 minutes",
        "The meeting is on 2024-05-05 at 10:30, not 05/06/2024.",
        "The war ended in 1945; the temperature is 95 degrees.",
        "RFC 5322, sin 360, PEP 658, version 1.2.3, order 66",
        "@classmethod\ndef f(): pass\n@app.route('/x')",
        "https://docs.python.org/3/library/re.html and https://github.com/org/repo/issues/12345678",
        "digits = '0123456789'",
        "ipv6_address = part + 128 bits; IP address 12 and email address 3",
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709 commit 1a2b3c4d",
        "#ff00aa #123456 rgba(12, 34, 56, 0.5)",
    ],
)
def test_code_and_plain_talk_have_none(text):
    assert found(text) == []


def test_columns_of_a_table_give_their_cells_away():
    text = "name,email,dob\nLot Eijk,le@example.org,1970-01-02\nUlu Zorn,uz@example.org,1971-02-03\n\ndone"
    assert found(text) == [
        ("person", "Lot Eijk"),
        ("email", "le@example.org"),
        ("birth_date", "1970-01-02"),
        ("person", "Ulu Zorn"),
        ("email", "uz@example.org"),
        ("birth_date", "1971-02-03"),
    ]


def test_tables_of_markdown_and_sql():
    markdown = "| Name | City |\n|---|---|\n| Lot Eijk | Aachen |"
    assert found(markdown) == [("person", "Lot Eijk"), ("place", "Aachen")]
    sql = "INSERT INTO users (name, ssn) VALUES ('Lot Eijk', '750483921');"
    assert found(sql) == [("person", "Lot Eijk"), ("national_id", "750483921")]
    assert found("a,b,c\n1,2,3\nfoo,bar,baz") == []


def test_a_number_without_label_counts_only_in_a_text_about_somebody():
    assert found("The transaction from 39475210 failed.") == []
    assert ("account_number", "39475210") in found("The transaction from 39475210 failed, ann@example.org.")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123 Main St Apt 4B, Springfield, IL 62704. Thanks", "123 Main St Apt 4B, Springfield, IL 62704"),
        ("Flat 69\nMorris Close\nLeestad\nG4 9BA", "Flat 69\nMorris Close\nLeestad\nG4 9BA"),
        ("PSC 1234, Box 5678\nAPO AP 12345", "PSC 1234, Box 5678\nAPO AP 12345"),
        ("in Am Alten Markt 5, 50667 Köln", "Am Alten Markt 5, 50667 Köln"),
        ("Keizersgracht 324-II, 1016 EZ Amsterdam", "Keizersgracht 324-II, 1016 EZ Amsterdam"),
        ("Via Toledo 156, 80134 Napoli", "Via Toledo 156, 80134 Napoli"),
        ("ul. Polna 3/4, 00-123 Warszawa", "ul. Polna 3/4, 00-123 Warszawa"),
        ("Sveavägen 44, 111 34 Stockholm", "Sveavägen 44, 111 34 Stockholm"),
        ("г. Москва, ул. Тверская, д. 7, кв. 12", "г. Москва, ул. Тверская, д. 7, кв. 12"),
        ("東京都渋谷区神南1-19-11に住んでいます", "東京都渋谷区神南1-19-11"),
        ("서울특별시 강남구 테헤란로 152", "서울특별시 강남구 테헤란로 152"),
        ("Atatürk Cad. No: 12 Kadıköy/İstanbul", "Atatürk Cad. No: 12 Kadıköy/İstanbul"),
        ("i moved to 123 main street, dallas", "123 main street, dallas"),
    ],
)
def test_addresses_are_found_whole(text, value):
    assert ("street_address", value) in found(text)


def test_an_address_ends_at_the_next_field():
    assert found("Address: 181 Mill Road\nCity: nowhere") == [("street_address", "181 Mill Road")]
    assert [text for _, text in found("Adress: Parkgränd 1, 35334 Västerås\nTelefon: 08-559 123 45")] == [
        "Parkgränd 1, 35334 Västerås",
        "08-559 123 45",
    ]
