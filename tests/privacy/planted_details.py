"""Details planted in texts by the tests, and a detector that finds exactly those: tests of replacement do not wait for
what detection finds."""

import re

from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

# Type → an original in each of several writings. Check digits are right where the type has some.
DETAILS: dict[str, tuple[str, ...]] = {
    "person": (
        "Harriet Whitcombe",
        "WHITCOMBE",
        "harriet",
        "Sean O'Brien",
        "欧阳伟明",
        "김민준",
        "राहुल शर्मा",
    ),
    "organisation": ("Whitcombe & Sons Ltd", "北京大学"),
    "place": ("Leicester", "New Haven"),
    "street_address": (
        "12 Marlowe Street, Ashford, IL 62704",
        "Lindenstraße 12, 50674 Köln",
        "杭州市文三路12号",
    ),
    "postal_code": ("SW1A 1AA", "62704"),
    "email": ("harriet.w@mail.example.com", "ops@müller-gruppe.de", "harriet at whitcombe dot com"),
    "phone": ("+49 151 12345678", "(415) 555-0123", "13800138000", "０９０－１２３４－５６７８"),
    "username": ("@harriet_w99", "dragon.slayer"),
    "url": ("https://www.linkedin.com/in/harriet-whitcombe-12345", "http://whitcombe.org/~harriet"),
    "url_with_credentials": ("postgres://app:s3cr%40et9@db.example.net:5432/orders",),
    "ip_address": ("203.0.113.7", "192.168.1.17", "2001:db8::1f", "fe80::1ff:fe23:4567:890a", "10.1.2.3/24"),
    "mac_address": ("00:1A:2B:3C:4D:5E", "a0-b1-c2-d3-e4-f5"),
    "device_id": ("490154203237518", "SN-AB12-9981"),
    "vehicle_id": ("1HGCM82633A004352", "B-XY 1234"),
    "card": ("4111 1111 1111 1111", "378282246310005"),
    "iban": ("DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"),
    "bank_account": ("021000021", "DEUTDEFF500", "12-34-56 12345678"),
    "crypto_wallet": (
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "0x52908400098527886e0f7030069857d2e4169ee7",
    ),
    "national_id": ("078-05-1120", "123.456.789-09", "12345678Z", "110101199003070038"),
    "passport": ("C01X00T47",),
    "driver_licence": ("D123-4567-8901",),
    "medical_record": ("MRN-0012345",),
    "licence_number": ("RN-123456",),
    "account_number": ("00123-4567", "98765432"),
    "birth_date": ("1985-03-12", "March 12, 1985", "12.03.85", "1985年3月12日"),
    "date": ("Tuesday, 4 March 2025", "2024-02-29"),
    "age": ("92", "104"),
    "api_key": ("sk-proj-Ab3dEf6hIj9kLm2nOp5q", "AKIAIOSFODNN7EXAMPLE"),
    "password": ("hunter2!", "correct horse"),
    "private_key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/==\n-----END RSA PRIVATE KEY-----",),
    "connection_string": (
        "Server=db1.whitcombe.com,1433;Database=orders;User Id=harriet;Password=hunter2;",
        "jdbc:postgresql://db1.whitcombe.com:5432/app?user=harriet&password=hunter2",
    ),
}
CASES = [(type_, original) for type_, originals in DETAILS.items() for original in originals]


def planted(details, *others):
    """A detector that finds `details` ((type, original) pairs) wherever they stand, and nothing else."""
    known = sorted({*details, *others}, key=lambda detail: -len(detail[1]))

    def detect(text, language=None):
        found, taken = [], bytearray(len(text))
        for type_, original in known:
            for match in re.finditer(re.escape(original), text):
                if not any(taken[match.start() : match.end()]):
                    taken[match.start() : match.end()] = b"\1" * len(original)
                    found.append(IdentifierSpan(type_, *match.span()))
        return sorted(found, key=lambda span: span.start)

    return detect
