"""Companies and institutions that tie a text to a person: by their legal form, or as somebody's employer or school."""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable
from depsim_dagster.privacy.detection.name_words import NOT_ALONE

_U = r"[^\W\d_a-zà-öø-ÿßа-яё]"
_W = rf"{_U}[\w'’&.-]{{0,30}}"
_FORMS = (
    r"(?:Inc\.?|Incorporated|LLC|L\.L\.C\.|LLP|Ltd\.?|Limited|PLC|plc|Corp\.?|Corporation|Co\.|Company"
    r"|GmbH(?: & Co\.? ?(?:KGa?A?|OHG))?|AG|KGaA|KG|OHG|e\.V\.|e\.K\.|UG|mbH|Stiftung|SE|S\.A\.S?\.?|SA"
    r"|SAS|SARL|S\.à r\.l\.|SNC|EURL|SCI|S\.L\.U?\.?|SL|S\.A\. de C\.V\.|S\.C\.|Ltda\.?|LTDA|EIRELI|ME"
    r"|S\.p\.A\.|SpA|S\.r\.l\.|Srl|s\.r\.l\.|S\.n\.c\.|B\.V\.|BV|N\.V\.|NV|VOF|Sp\. z o\.o\.|sp\. z"
    r" o\.o\.|Sp\. j\.|S\.Coop\.|S\.A\.T\.|S\.L\.L\.|S\.L\.N\.E|S\.A\.|Spółka|AB|HB|KB|Oy|Oyj|ApS|A/S|AS"
    r"|ASA|Pty\.? Ltd\.?|Pvt\.? Ltd\.?|and Sons|& Sons|& Co\.?|and Associates|& Associates|& Partners"
    r"|Group|Holdings|A\.Ş\.|Ltd\. Şti\.|ООО|ОАО|ЗАО)"
)
_SUFFIXED = re.compile(
    rf"(?<![\w]){_W}(?:(?: |, |,? & |,? and | y | e | et | und | i )(?:(?:de|of|the|du|der|van|von)"
    rf" )?{_W}){{0,4}},? {_FORMS}(?![\w])"
)
_FORM = re.compile(rf" (?=[A-Z&ОЗ]|plc|e\.|mbH|s\.r|sp\.|and [SA]){_FORMS}(?![\w])")
_RUSSIAN_FORMS = ("ОО", "АО", "ИП")
_RUSSIAN = re.compile(
    r"(?:ООО|ОАО|ЗАО|ПАО|ИП|АО) ?[«\"][^»\"\n]{2,60}[»\"]|(?:ООО|ОАО|ЗАО|ПАО|ИП|АО) [А-ЯЁ][\w-]{1,30}(?:"
    r" [А-ЯЁ][\w-]{1,30}){0,2}"
)
_UNSPACED = re.compile(
    r"(?:株式会社|有限会社|合同会社)[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,12}"
    r"|[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,12}(?:株式会社|有限会社|合同会社)|[\u4e00-\u9fff]{2,16}?(?:有限公司|股份公司|集团公司"
    r"|有限责任公司)|(?:주식회사|\(주\)|㈜) ?[가-힣A-Za-z]{1,15}|[가-힣A-Za-z]{1,15} ?(?:주식회사|\(주\)|㈜)"
)
_WORDS = frozenset(
    "inc incorporated llc llp ltd limited plc corp corporation co company gmbh ag kg kgaa ohg ug mbh se"
    " sa sas sarl snc eurl sl ltda eireli me spa srl bv nv vof oo ab hb kb oy oyj aps as asa pty pvt sons"
    " associates partners group holdings stiftung spółka şti ş"
    " c v e s".split()
)
_EMPLOYERS = LabelTable(
    {
        "organisation": """
            (work|works|worked|working|employed|employee|intern|interned|interning|contractor|engineer|
            manager|developer|consultant|analyst|director|nurse|teacher|position|job|role|career) (at|for|
            by|with|of); (studied|study|studies|studying|student|professor|graduated|enrolled|degree) (at|
            from|in); (interviewed|interviewing|hired|fired|laid off) (with|at|by|from); formerly (of|
            with|at);
            used to work (for|at); demitiu (da|do); (despidieron|despedido) de; licenziato da;
            employer [name]; company name; companyname; company; organization; organisation;
            my (company|employer|school|university)
            (arbeite|arbeitet|angestellt|tätig) (bei|für); arbeitgeber; firma; (travaille|employé|
            employée) (chez|à|pour); employeur; (entreprise|société); (trabajo|trabaja|empleado|
            trabajaba) (en|para); (empresa|empleador|compañía); (lavoro|lavora|impiegato) (presso|per|in|
            da|alla); (azienda|datore di lavoro); (trabalho|trabalha|funcionário) (na|no|em|para|da|do);
            empregador; (werk|werkt|werkzaam) (bij|voor); (werkgever|bedrijf); (pracuję|pracuje) (w|dla);
            (pracodawca); (jobbar|arbetar|anställd) (på|hos|för); (arbetsgivare|företag); (работаю|
            работает) в; (работодатель|компания); (çalışıyorum); şirket
        """
    }
)
_AFTER = re.compile(
    rf"[\s:=\"'*_`]{{1,6}}(?:the |a |an |der |die |la |el |il |o |l['’])?({_W}(?:(?: |, | & | and | of |"
    rf" de | der | für | y | e )(?:the )?{_W}){{0,4}})"
)


# Where somebody is treated, goes to school or keeps an account, told in a text of `my`, `she`, `patient`.
_INSTITUTION = re.compile(
    rf"(?<![\w])(?:at|to|from|by|in|of|with|near|an|am|im|à|au|en|al|del|all'|all’|no|na|bij|w) (?:the |l['’]|la |el |il |der |dem |het )?"
    rf"((?:(?:St|Mt|Ft)\.? )?{_W}(?: (?:of |de |& )?{_W}){{0,3}} (?:Hospital|Clinic|Medical (?:Center|Centre|Group)|Elementary(?: School)?"
    rf"|Middle School|High School|Primary School|Academy|Preschool|Daycare|Credit Union|Dental|Pediatrics|Family Practice|Health"
    rf"|Urgent Care|Rehab|Hospice|Nursing Home|Community College|Klinikum|Krankenhaus|Gymnasium|Grundschule)(?![\w])"
    rf"|(?:[Hh]ôpital|[Cc]linique|[Cc]ollège|[Ll]ycée|[Hh]ospital|[Cc]línica|[Cc]olegio|[Ii]nstituto|[Oo]spedale|[Ss]cuola"
    rf"|[Ee]scola|[Ss]zpital|[Kk]linika) (?:de |du |des |di |da |del |de la |universitario |universitaire )?{_W}(?: {_W}){{0,2}})"
)
_INSTITUTION_WORDS = frozenset(
    "hospital clinic medical elementary school academy preschool daycare union dental pediatrics practice health care rehab"
    " hospice nursing college klinikum krankenhaus gymnasium grundschule hôpital clinique collège lycée clínica colegio"
    " instituto ospedale scuola escola szpital klinika".split()
)
_PERSONAL = frozenset(
    "calling dear hi hello i my me she he her his him patient mr mrs ms dr we our yo ich mein meine er sie je mon ma il elle"
    " mi mio mia ella meu minha ele ela ik mijn mój moja min".split()
)


def find_organisations(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Companies by legal form, employers and schools by context."""
    text = chat.text
    if chat.has_any(_WORDS) and _FORM.search(text):
        for match in _SUFFIXED.finditer(text):
            if text[match.start() - 1 : match.start()] not in (".", "_", "@", "/"):
                yield IdentifierSpan("organisation", *match.span())
    if not text.isascii():
        if any(form in text for form in _RUSSIAN_FORMS):
            for match in _RUSSIAN.finditer(text):
                yield IdentifierSpan("organisation", *match.span())
        if chat.unspaced or chat.hangul:
            for match in _UNSPACED.finditer(text):
                yield IdentifierSpan("organisation", *match.span())
    for match in _INSTITUTION.finditer(text) if chat.has_any(_INSTITUTION_WORDS) else ():
        value = match.group(1)
        if value.split(" ")[0].casefold() not in NOT_ALONE and chat.has_any(_PERSONAL):
            yield IdentifierSpan("organisation", *match.span(1))
    for label in _EMPLOYERS.find(chat):
        match = _AFTER.match(text, label.end)
        if (
            match is not None
            and match.group(1).split()[0].casefold() not in NOT_ALONE
            and len(match.group(1)) > 2
        ):
            value = match.group(1).rstrip(".,'’")
            yield IdentifierSpan("organisation", match.start(1), match.start(1) + len(value))
