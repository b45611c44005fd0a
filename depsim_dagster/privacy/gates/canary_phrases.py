"""How people write a detail of each type: sentences in ten languages, and the name of a form's field for it.

`{v}` is the detail. Words that give a detail away stand where people put them; what no sentence says cannot be
expected of a detector that reads only the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from depsim_dagster.privacy.gates import canary_values as values

Generator = Callable[[Random, str], tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Phrasing:
    """One way to give details of a type away. `field` names it in code, JSON and tables; empty where people would not."""

    type: str
    value: Generator
    sentences: Mapping[str, tuple[str, ...]]
    field: str = ""
    disguised: bool = False


PHRASINGS: tuple[Phrasing, ...] = (
    Phrasing(
        "person",
        values.person,
        {
            "en": (
                "My name is {v}.",
                "Please sign the letter as {v}.",
                "My sister {v} told me about it.",
                "Kind regards,\n{v}",
                "I spoke to Dr. {v} about this yesterday.",
            ),
            "es": ("Me llamo {v}.", "Mi jefa se llama {v}.", "Un saludo,\n{v}"),
            "de": ("Ich heiße {v}.", "Mein Name ist {v}.", "Viele Grüße\n{v}"),
            "fr": ("Je m'appelle {v}.", "Cordialement,\n{v}"),
            "pt": ("Meu nome é {v}.", "Atenciosamente,\n{v}"),
            "it": ("Mi chiamo {v}.", "Cordiali saluti,\n{v}"),
            "nl": ("Mijn naam is {v}.", "Met vriendelijke groet,\n{v}"),
            "pl": ("Nazywam się {v}.", "Pozdrawiam,\n{v}"),
            "zh": ("我叫{v}。", "我的名字是{v}，"),
            "ja": ("私の名前は{v}です。", "{v}と申します。"),
        },
        "full_name",
        disguised=True,
    ),
    Phrasing(
        "organisation",
        values.organisation,
        {
            "en": ("I work for {v}.", "We got the offer from {v} last week."),
            "es": ("Trabajo en {v}.",),
            "de": ("Ich arbeite bei der {v}.",),
            "fr": ("Je travaille chez {v}.",),
            "pt": ("Trabalho na {v}.",),
            "it": ("Lavoro per {v}.",),
            "nl": ("Ik werk bij {v}.",),
            "pl": ("Pracuję w {v}",),
            "zh": ("我在{v}工作。",),
            "ja": ("{v}に勤めています。",),
        },
        "employer",
    ),
    Phrasing(
        "place",
        values.place,
        {
            "en": ("I live in {v}.", "We moved to {v} last spring."),
            "es": ("Vivo en {v}.",),
            "de": ("Ich wohne in {v}.",),
            "fr": ("J'habite à {v}.",),
            "pt": ("Moro em {v}.",),
            "it": ("Vivo a {v}.",),
            "nl": ("Ik woon in {v}.",),
            "zh": ("我住在{v}。",),
            "ja": ("{v}に住んでいます。",),
        },
        "city",
    ),
    Phrasing(
        "street_address",
        values.street_address,
        {
            "en": ("I live at {v}.", "Ship it to {v}, please.", "My address is {v}."),
            "es": ("Vivo en {v}.", "Mi dirección es {v}."),
            "de": ("Ich wohne in der {v}.", "Meine Anschrift: {v}."),
            "fr": ("J'habite au {v}.", "Mon adresse est {v}."),
            "pt": ("Moro na {v}.", "Meu endereço é {v}."),
            "it": ("Abito in {v}.", "Il mio indirizzo è {v}."),
            "nl": ("Ik woon op {v}.", "Mijn adres is {v}."),
            "pl": ("Mieszkam przy {v}.", "Mój adres to {v}."),
            "zh": ("我住在{v}。", "地址：{v}。"),
            "ja": ("住所は{v}です。",),
        },
        "address",
    ),
    Phrasing(
        "postal_code",
        values.postal_code,
        {
            "en": ("My postcode is {v}.", "The ZIP code is {v}."),
            "es": ("Mi código postal es {v}.",),
            "de": ("Meine Postleitzahl ist {v}.",),
            "fr": ("Mon code postal est {v}.",),
            "pt": ("Meu CEP é {v}.",),
            "it": ("Il mio CAP è {v}.",),
            "nl": ("Mijn postcode is {v}.",),
        },
        "postal_code",
    ),
    Phrasing(
        "email",
        values.email,
        {
            "en": ("You can write to {v}.", "My email: {v}", "Reach me at {v}, any time."),
            "es": ("Mi correo es {v}.",),
            "de": ("Meine E-Mail-Adresse ist {v}.",),
            "fr": ("Mon courriel est {v}.",),
            "pt": ("Meu e-mail é {v}.",),
            "it": ("La mia e-mail è {v}.",),
            "nl": ("Mijn e-mailadres is {v}.",),
            "pl": ("Mój e-mail to {v}.",),
            "zh": ("我的邮箱是{v}。",),
            "ja": ("メールは{v}です。",),
        },
        "email",
        disguised=True,
    ),
    Phrasing(
        "email", values.spelled_email, {"en": ("You can reach me at {v}.", "My email is {v} if you need it.")}
    ),
    Phrasing(
        "phone",
        values.phone,
        {
            "en": ("Call me on {v}.", "My phone number is {v}.", "Text {v} when you arrive."),
            "es": ("Mi teléfono es {v}.",),
            "de": ("Meine Handynummer ist {v}.",),
            "fr": ("Mon numéro de téléphone est le {v}.",),
            "pt": ("Meu telefone é {v}.",),
            "it": ("Il mio cellulare è {v}.",),
            "nl": ("Mijn telefoonnummer is {v}.",),
            "pl": ("Mój telefon to {v}.",),
            "zh": ("我的电话是{v}。",),
            "ja": ("電話番号は{v}です。",),
        },
        "phone",
        disguised=True,
    ),
    Phrasing(
        "username",
        values.username,
        {
            "en": ("My username is {v}.", "Follow me on Instagram: @{v}"),
            "es": ("Mi usuario es {v}.",),
            "de": ("Mein Benutzername ist {v}.",),
            "fr": ("Mon nom d'utilisateur est {v}.",),
        },
        "username",
    ),
    Phrasing("url", values.url, {"en": ("My profile is {v}", "Here is my page: {v}")}, "profile_url"),
    Phrasing(
        "url_with_credentials",
        values.url_with_credentials,
        {"en": ("I download it from {v} every day.",)},
        "url",
    ),
    Phrasing(
        "connection_string",
        values.connection_string,
        {"en": ("It connects with {v} and then hangs.",)},
        "connection_string",
    ),
    Phrasing(
        "ip_address",
        values.ip_address,
        {
            "en": ("My machine is at {v}.", "The login came from {v} again."),
            "es": ("Mi IP es {v}.",),
            "de": ("Meine IP ist {v}.",),
        },
        "ip",
    ),
    Phrasing("mac_address", values.mac_address, {"en": ("The MAC address is {v}.",)}, "mac"),
    Phrasing("device_id", values.device_id, {"en": ("The IMEI is {v}.", "IMEI: {v}")}, "imei"),
    Phrasing(
        "device_id",
        values.serial_number,
        {"en": ("Serial number: {v}", "The serial number is {v}.")},
        "serial_number",
    ),
    Phrasing("vehicle_id", values.vehicle_id, {"en": ("The VIN is {v}.", "VIN: {v}")}, "vin"),
    Phrasing(
        "vehicle_id", values.plate, {"en": ("My license plate is {v}.", "number plate: {v}")}, "license_plate"
    ),
    Phrasing(
        "card",
        values.card,
        {
            "en": ("The card is {v}.", "Charge {v} instead."),
            "es": ("La tarjeta es {v}.",),
            "de": ("Meine Kreditkarte ist {v}.",),
            "zh": ("卡号是{v}。",),
        },
        "card_number",
        disguised=True,
    ),
    Phrasing(
        "iban",
        values.iban_number,
        {
            "en": ("My IBAN is {v}.",),
            "de": ("Meine IBAN lautet {v}.",),
            "nl": ("Mijn rekening is {v}.",),
            "pt": ("Meu IBAN é {v}.",),
        },
        "iban",
    ),
    Phrasing(
        "bank_account",
        values.account_digits,
        {
            "en": ("My bank account number is {v}.", "Bank account: {v}"),
            "es": ("Mi número de cuenta bancaria es {v}.",),
        },
        "bank_account_number",
    ),
    Phrasing("crypto_wallet", values.crypto_wallet, {"en": ("Send it to my wallet {v}.",)}, "wallet"),
    Phrasing(
        "national_id",
        values.national_id,
        {
            "en": ("My national ID number is {v}.",),
            "es": ("Mi DNI es {v}.",),
            "de": ("Meine Steuer-ID ist {v}.",),
            "fr": ("Mon numéro de sécurité sociale est {v}.",),
            "pt": ("Meu CPF é {v}.",),
            "it": ("Il mio codice fiscale è {v}.",),
            "nl": ("Mijn BSN is {v}.",),
            "pl": ("Mój PESEL to {v}.",),
            "zh": ("我的身份证号是{v}。",),
        },
        "national_id",
    ),
    Phrasing(
        "passport",
        values.passport,
        {
            "en": ("My passport number is {v}.", "Passport no. {v}"),
            "es": ("Mi número de pasaporte es {v}.",),
            "de": ("Meine Passnummer ist {v}.",),
            "fr": ("Mon numéro de passeport est {v}.",),
        },
        "passport_number",
    ),
    Phrasing(
        "driver_licence",
        values.driver_licence,
        {"en": ("My driver's license number is {v}.", "Driving licence: {v}")},
        "driver_license_number",
    ),
    Phrasing(
        "medical_record",
        values.medical_record,
        {"en": ("The medical record number is {v}.", "MRN: {v}")},
        "medical_record_number",
    ),
    Phrasing(
        "licence_number",
        values.licence_number,
        {"en": ("My medical license number is {v}.", "License no. {v}")},
        "license_number",
    ),
    Phrasing(
        "account_number",
        values.account_number,
        {
            "en": ("My customer number is {v}.", "Account number: {v}", "The member ID is {v}."),
            "es": ("Mi número de cliente es {v}.",),
            "de": ("Meine Kundennummer ist {v}.",),
            "fr": ("Mon numéro de client est {v}.",),
        },
        "account_number",
    ),
    Phrasing(
        "birth_date",
        values.birth_date,
        {
            "en": ("I was born on {v}.", "Date of birth: {v}", "DOB: {v}"),
            "es": ("Nací el {v}.", "Fecha de nacimiento: {v}"),
            "de": ("Ich bin am {v} geboren.", "Geburtsdatum: {v}"),
            "fr": ("Je suis née le {v}.", "Date de naissance : {v}"),
            "pt": ("Nasci em {v}.", "Data de nascimento: {v}"),
            "it": ("Sono nata il {v}.", "Data di nascita: {v}"),
            "nl": ("Ik ben geboren op {v}.", "Geboortedatum: {v}"),
            "zh": ("我出生于{v}。",),
        },
        "date_of_birth",
    ),
    Phrasing(
        "date",
        values.date,
        {"en": ("I was admitted to hospital on {v}.", "We got married on {v}.")},
    ),
    Phrasing("age", values.age, {"en": ("My grandmother is {v} years old.", "I am {v} years old.")}),
    Phrasing("api_key", values.api_key, {"en": ("The key is {v} for now.", "export API_KEY={v}")}, "api_key"),
    Phrasing(
        "password",
        values.password,
        {
            "en": ("My password is {v}", "password: {v}"),
            "es": ("Mi contraseña es {v}",),
            "de": ("Mein Passwort ist {v}",),
        },
        "password",
    ),
    Phrasing("private_key", values.private_key, {"en": ("Is this key file fine?\n{v}\n",)}, "private_key"),
)

FILLERS: dict[str, tuple[str, ...]] = {
    "en": ("Could you help me with this?", "I am not sure how to phrase it.", "Keep it short, please."),
    "es": ("¿Me puedes ayudar con esto?", "Que sea breve, por favor."),
    "de": ("Kannst du mir dabei helfen?", "Bitte kurz halten."),
    "fr": ("Peux-tu m'aider ?", "Fais court, s'il te plaît."),
    "pt": ("Você pode me ajudar com isso?", "Seja breve, por favor."),
    "it": ("Puoi aiutarmi?", "Sii breve, per favore."),
    "nl": ("Kun je me helpen?", "Houd het kort."),
    "pl": ("Możesz mi pomóc?", "Krótko, proszę."),
    "zh": ("你能帮我看看吗？", "请简短一点。"),
    "ja": ("手伝ってもらえますか。", "短くお願いします。"),
}

TYPES: tuple[str, ...] = tuple(dict.fromkeys(phrasing.type for phrasing in PHRASINGS))
