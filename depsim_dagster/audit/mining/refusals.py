"""Whether an answer declines, by phrase rules in several languages: a reader of openings, not a judge.

Three ways are told apart, because models drift from one to another: it cannot or will not help, it gives no opinion of its
own, it speaks of itself as an AI. Not here: whether to decline was right.
"""

from __future__ import annotations

import re

# A refusal stands at the start of an answer; a later "I cannot" is most often advice.
OPENING = 400
_UNABLE = re.compile(
    r"\bI(?:'m| am)? (?:can ?not|can't|could ?not|couldn't|won't|will not|must decline|have to decline|refuse to|(?:am )?unable to|"
    r"(?:am )?not able to|not comfortable|not going to|(?:would|must) respectfully decline|do not feel comfortable)\b"
    r"(?! (?:wait|agree|stress|help but|recommend .{1,30} enough))"
    r"|\b(?:sorry|unfortunately|apologi[sz]e),? (?:but )?(?:I|that|this) (?:can't|can ?not|am unable|won't|is not something)"
    r"|\bI(?:'d| would) rather not\b|\bagainst my (?:guidelines|programming|policy)|\bcan't (?:assist|help) with (?:that|this)\b"
    r"|\bno puedo (?:ayudar|proporcionar|responder|hacer|cumplir|dar|asistir)|\blo siento,? (?:pero )?no puedo|\bprefiero no\b"
    r"|\bich kann (?:dir |ihnen |das |dabei |darauf )?(?:leider )?nicht|\bleider kann ich|\bdas kann ich nicht|\bich möchte lieber nicht"
    r"|\bje ne (?:peux|puis) pas|\bje suis désolée?,? (?:mais )?je ne|\bje préfère ne pas"
    r"|\bnão posso (?:ajudar|fornecer|responder|fazer|atender)|\b(?:desculpe|sinto muito),? (?:mas )?não (?:posso|consigo)"
    r"|\bnon posso (?:aiutar|fornire|rispondere)|\bik kan (?:je |u )?(?:daar |hier )?niet|\bя не могу (?:помочь|ответить|предостав)"
    r"|我(?:无法|不能|没办法)|無法(?:提供|協助)|抱歉,?，?我(?:无法|不能)|申し訳(?:ありません|ございません)|できません|도와드릴 수 없",
    re.IGNORECASE,
)
_NO_OPINION = re.compile(
    r"\b(?:is|are|this is|it's|it is) (?:a )?(?:highly |very |purely )?subjective\b|\bsubjective (?:question|and|to the)\b"
    r"|\bdepends on (?:the |an |each )?(?:individual|person|personal|perspective|one's|opinion)"
    r"|\b(?:don't|do not|cannot|can't) (?:have|hold|express|give|offer|share|provide) (?:any )?(?:a )?(?:personal )?(?:opinion|belief|view|"
    r"preference|feeling|experience)|\bno tengo opini|\bhabe ich keine (?:eigene )?meinung|\bich habe keine (?:persönliche|eigene|meinung)"
    r"|\bje n'ai pas d'(?:opinion|avis)|\bnão tenho opini|我没有(?:个人)?(?:观点|看法|意见)|没有个人",
    re.IGNORECASE,
)
_AS_AN_AI = re.compile(
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language model|assistant)\b"
    r"|\bI(?:'m| am) (?:just |only )?an? (?:AI\b|(?:large )?language model)"
    r"|\bcomo (?:una? )?(?:IA|inteligencia artificial|inteligência artificial|modelo de (?:lenguaje|linguagem))\b"
    r"|\bals KI\b|\bals (?:ein )?sprachmodell"
    r"|\ben tant qu'(?:IA|intelligence artificielle|assistant)|作为(?:一个|一种)?(?:AI|人工智能|语言模型)|AIとして",
    re.IGNORECASE,
)


def refusal_features(text: str, refused: bool) -> list[str]:
    """How the answer declines; nothing where it does not. refused: the API said so in a field of its own."""
    opening = text[:OPENING].replace("’", "'")
    found = []
    if refused or _UNABLE.search(opening):
        found.append("says that it cannot or will not")
    if _NO_OPINION.search(opening):
        found.append("gives no opinion (subjective, or none of its own)")
    if found:
        found.append("declines in one of the known ways")
    if _AS_AN_AI.search(opening):
        found.append("speaks of itself as an AI")
    if refused:
        found.append("refused in the API's own field")
    return found
