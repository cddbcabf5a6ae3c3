"""Each kind of change of an output's shape moves a feature that is named for it, and leaves what it does not touch."""

from __future__ import annotations

import json
import re

import pytest

from monitor.reading import shape, structure
from monitor.reading.characters import CLASSES, SCRIPTS
from monitor.reading.phrases import Phrases
from monitor.reading.shape import FEATURES, INDEX
from monitor.reading.structure import KINDS
from schemas.config import Text

PHRASES = Phrases(Text().refusals, Text().apologies)

PROSE = (
    "Your order has been shipped and should arrive within three days. You can follow the parcel with the link in the "
    "message that we sent this morning. If it does not arrive by Friday, please write to us again and we will look "
    "into it at once."
)
GERMAN = (
    "Ihre Bestellung wurde verschickt und kommt voraussichtlich in drei Tagen an. Verfolgen Sie das Paket mit dem Link "
    "in der Nachricht, die wir heute Morgen geschickt haben. Falls es bis Freitag nicht ankommt, schreiben Sie uns "
    "bitte erneut, dann prüfen wir es sofort."
)
RUSSIAN = "Ваш заказ отправлен и прибудет в течение трёх дней. Следите за посылкой по ссылке в письме."
CHINESE = "您的订单已经发货，预计三天内送达。请通过今天早上的邮件中的链接跟踪包裹。"  # noqa: RUF001 (the comma of that language)
JAPANESE = "ご注文の商品は発送されました。三日以内に届く予定です。"
OBJECT = json.dumps({"status": "shipped", "days": 3, "items": [{"name": "lamp"}]})
BULLETS = "The order:\n- shipped on Monday\n- arrives on Thursday\n- can be followed with the link"
STEPS = "1. Open the message.\n2. Follow the link.\n3. Read what it says."
TABLE = "| item | price |\n| --- | --- |\n| lamp | 20 |"
MARKDOWN = (
    "# Order\n\nYour **order** was shipped, see [the parcel](https://example.com/1) and `track`.\n\n## Next\n\nWait."
)


def features(text: str) -> dict[str, float]:
    return dict(zip((feature.name for feature in FEATURES), shape.read(text, PHRASES), strict=True))


# What was said before, what is said now, the feature that says so, its value before and after (None: just different)
CHANGES = [
    (OBJECT, PROSE, "kind", KINDS.index("json_object"), KINDS.index("prose")),
    (OBJECT, PROSE, "json_depth", 3.0, 0.0),
    (OBJECT, f"```json\n{OBJECT}\n```", "kind", KINDS.index("json_object"), KINDS.index("fenced")),
    (OBJECT, f"```json\n{OBJECT}\n```", "first_character", CLASSES.index("opener"), CLASSES.index("tick")),
    (OBJECT, f"Here is the JSON: {OBJECT}", "kind", KINDS.index("json_object"), KINDS.index("prose")),
    (OBJECT, OBJECT.replace("status", "state"), "json_key_set", None, None),
    (OBJECT, json.dumps([json.loads(OBJECT)]), "kind", KINDS.index("json_object"), KINDS.index("json_array")),
    (OBJECT, OBJECT[:-5], "unbalanced", 0.0, 1.0),
    (OBJECT, f"<order>{PROSE}</order>", "kind", KINDS.index("json_object"), KINDS.index("markup")),
    (PROSE, GERMAN, "accents_share", None, None),
    (PROSE, GERMAN, "short_words_share", None, None),
    (PROSE, RUSSIAN, "script", SCRIPTS.index("latin"), SCRIPTS.index("cyrillic")),
    (PROSE, CHINESE, "script", SCRIPTS.index("latin"), SCRIPTS.index("han")),
    (CHINESE, JAPANESE, "script", SCRIPTS.index("han"), SCRIPTS.index("japanese")),
    (PROSE, f"Certainly! {PROSE}", "first_word", None, None),
    (PROSE, f"Certainly! {PROSE}", "exclamations", 0.0, 1.0),
    (PROSE, f"{PROSE}\n\nKind regards", "last_word", None, None),
    (PROSE, PROSE[:150], "cut_off", 0.0, 1.0),
    (PROSE, PROSE[:150], "length", None, None),
    (PROSE, PROSE.upper(), "upper_share", None, None),
    (PROSE, f"  {PROSE}", "padded", 0.0, 1.0),
    (PROSE, MARKDOWN, "kind", KINDS.index("prose"), KINDS.index("markdown")),
    (PROSE, MARKDOWN, "headings", 0.0, None),
    (PROSE, MARKDOWN, "bold", 0.0, None),
    (PROSE, MARKDOWN, "links", 0.0, None),
    (PROSE, MARKDOWN, "ticks", 0.0, None),
    (PROSE, "", "kind", KINDS.index("prose"), KINDS.index("empty")),
    (PROSE, "", "words", None, 0.0),
    (BULLETS, " ".join(BULLETS.split("\n- ")), "kind", KINDS.index("list"), KINDS.index("prose")),
    (BULLETS, " ".join(BULLETS.split("\n- ")), "list_marks", 0.75, 0.0),
    (STEPS, STEPS.replace("\n", " "), "lines", 3.0, 1.0),
    (STEPS, TABLE, "kind", KINDS.index("list"), KINDS.index("table")),
    (PROSE, f"Dear [Name], {PROSE}", "square_brackets", 0.0, 1.0),
    (f"{PROSE} [1]", PROSE, "square_brackets", 1.0, 0.0),
    (PROSE, f"Dear {{{{name}}}}, {PROSE}", "braces", 0.0, 1.0),
    (PROSE, f"Dear <name>, {PROSE}", "angle_brackets", 0.0, 1.0),
    (PROSE, PROSE.replace("and", "&amp;"), "entities", 0.0, 1.0),
    (f"{PROSE} You pay $20.", f"{PROSE} You pay 20.", "currency_signs", 1.0, 0.0),
    (f"{PROSE} You pay ₹20.", f"{PROSE} You pay 20.", "currency_signs", 1.0, 0.0),
    (f"{PROSE} You pay 20 EUR.", f"{PROSE} You pay 20 USD.", "number_unit", None, None),
    (f"{PROSE} You pay €20.", f"{PROSE} You pay 20.", "number_unit", None, 0.0),
    (f"{PROSE} It is 20 % off.", f"{PROSE} It is 0.2 off.", "percent_signs", 1.0, 0.0),
    (f"{PROSE}\nSource: handbook", PROSE, "colons", 1.0, 0.0),
    (PROSE, "42", "kind", KINDS.index("prose"), KINDS.index("number")),
    (PROSE, "approved", "kind", KINDS.index("prose"), KINDS.index("word")),
    (PROSE, "???", "kind", KINDS.index("prose"), KINDS.index("signs")),
    (PROSE, f"{PROSE} 🎉🎉", "emoji", 0.0, 2.0),
    (PROSE, f"{PROSE} Is that right?", "questions", 0.0, 1.0),
    (PROSE, f'"{PROSE}"', "quotes", 0.0, 2.0),
    (PROSE, f"{PROSE}\n{PROSE}", "repeated_lines_share", 0.0, 0.5),
    (PROSE, f"{PROSE} {PROSE}", "repeated_trigrams_share", None, None),
    (PROSE, re.sub(r"[a-z]{4,}", "word", PROSE), "distinct_words_share", None, None),
    (PROSE, re.sub(r"[.,]", "", PROSE), "punctuation_share", None, 0.0),
    (PROSE, re.sub(r"[.,]", "", PROSE), "sentences", 3.0, 0.0),
    (PROSE, f"I'm sorry, but I can't help with that. {PROSE}", "refusal", 0.0, 1.0),
    (PROSE, f"I'm sorry, but I can't help with that. {PROSE}", "apology", 0.0, 1.0),
    (PROSE, "Leider kann ich Ihnen nicht helfen.", "refusal", 0.0, 1.0),
    (PROSE, "I’m sorry for the delay.", "apology", 0.0, 1.0),  # noqa: RUF001 (the apostrophe of printers)
    (PROSE, "申し訳ございませんが、お手伝いできません。", "refusal", 0.0, 1.0),
    (PROSE, "x" * 300, "word_length_mean", None, 300.0),
    (PROSE, re.sub(r"[a-z]", "7", PROSE), "digits_share", 0.0, None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "name", "was", "is_now"), CHANGES)
def test_a_change_of_shape_moves_its_feature(
    before: str, after: str, name: str, was: float | None, is_now: float | None
) -> None:
    one, other = features(before), features(after)
    assert one[name] != other[name]
    assert was is None or one[name] == was
    assert is_now is None or other[name] == is_now


NEAR_MISSES = [
    ("a phrase deep inside a long text is about something else", "refusal", PROSE * 4 + "I can't help" + PROSE * 4, 0),
    ("'sorry' alone is no phrase", "apology", "The player is in a sorry state.", 0),
    ("an airline is no AI", "refusal", "As an airline we fly daily.", 0),
    ("a dash inside a line is no list", "list_marks", "one - two - three", 0),
    ("a decimal is no numbered list", "list_marks", "3.5 of them", 0),
    ("a hash in front of a word is no heading", "headings", "#tag and more", 0),
    ("a decimal ends no sentence", "sentences", "It costs 3.5 in all", 0),
    ("a closing bracket ends a text", "cut_off", "It was shipped (on Monday)", 0),
    ("a code of one word needs no end", "cut_off", "approved", 0),
    ("braces that hold no JSON are no JSON", "json_depth", "{not json}", 0),
    ("an ampersand is no entity", "entities", "black & white; grey", 0),
    ("brackets of JSON are no brackets", "square_brackets", '{"a": [1], "b": "{x}"}', 0),
    ("nor are its braces", "braces", '{"a": [1], "b": "{x}"}', 0),
    ("a number without a unit has none", "number_unit", "It costs 3.5.", 0),
    ("a row of digits and no end is read once", "number_unit", "1" * 19_000, 0),
    ("Greek is not Latin", "accents_share", "Η παραγγελία σας", 0),  # noqa: RUF001
]


@pytest.mark.parametrize(("says", "name", "text", "expected"), NEAR_MISSES)
def test_what_only_looks_like_it_does_not(says: str, name: str, text: str, expected: float) -> None:
    assert features(text)[name] == expected, says


LANGUAGES = {
    "english": PROSE,
    "german": GERMAN.translate(str.maketrans("äöüß", "aous")),
    "spanish": (
        "Su pedido ha sido enviado y llegara dentro de tres dias. Puede seguir el paquete con el enlace del mensaje "
        "que le enviamos esta manana. Si no llega antes del viernes, escribanos de nuevo y lo miraremos enseguida."
    ),
}


@pytest.mark.parametrize("language", ["german", "spanish"])
def test_another_language_in_plain_letters_moves_hashed_features_more_than_another_sentence(language: str) -> None:
    """Without accents only the frequency of trigrams and words tells: farther from English than English is."""
    again = (
        "The refund for your lamp was approved today and will be on your card in five days. You get a mail from the "
        "bank when it is there. Please tell us if the amount is not right and we will see to it."
    )
    hashed = [INDEX[f"{kind}_{i}"] for kind in ("trigrams", "words") for i in range(shape.PROJECTIONS)]

    def distance(one: str, other: str) -> float:
        here, there = shape.read(one, PHRASES), shape.read(other, PHRASES)
        return sum((here[place] - there[place]) ** 2 for place in hashed)

    assert distance(PROSE, LANGUAGES[language]) > distance(PROSE, again)


def test_another_date_is_another_digit_only() -> None:
    """An answer that says what day it is would be another one each day."""
    monday, tuesday = (shape.read(f"As of 2026-03-0{day}: {PROSE} {day}4:30", PHRASES) for day in (2, 3))
    assert monday == tuesday
    assert monday != shape.read(f"As of March 2: {PROSE} 24:30", PHRASES)


def test_features_have_names_of_their_own_and_keep_their_order() -> None:
    assert len(INDEX) == len(FEATURES)
    assert [feature.name for feature in FEATURES][:3] == ["length", "lines", "line_length_mean"]
    assert all((feature.kind == "category") == (feature.size > 0) for feature in FEATURES)


def test_golden_numbers_are_the_same_on_every_machine() -> None:
    """A change here moves every learned reference: state of older versions would alarm."""
    found = shape.read(f"{GERMAN}\n\n- eins\n- zwei 🎉", PHRASES)
    assert found == GOLDEN, found


def test_keys_are_told_whatever_their_order_and_however_many_were_told_before() -> None:
    def told(*keys: str) -> float:
        return features(json.dumps(dict.fromkeys(keys, 1)))["json_key_set"]

    sets = [("a", "b"), ("b", "a"), ("a",), (), ("",), ("n" * structure.KEY_SET_CHARACTERS,)]
    before = [told(*keys) for keys in sets]
    for number in range(2 * structure.KEY_SETS):
        assert told(f"n{number}") > 0.0
    assert [told(*keys) for keys in sets] == before
    assert before[0] == before[1] != before[2]
    assert before[3] == before[4] == 0.0


def test_a_long_text_is_read_from_both_ends_and_has_its_true_length() -> None:
    text = "a" * 100_000 + "Z"
    found = features(text)
    assert found["length"] > features("a" * 50_000)["length"]
    assert found["last_character"] == CLASSES.index("upper")
    assert found["line_length_max"] == shape.TEXT_CHARACTERS


GOLDEN = [
    8.102, 4.0, 70.25, 264.0, 46.0, 4.891, 3.0, 15.333, 0.797, 0.054, 0.0, 0.028,
    0.171, 0.007, 0.004, 0.391, 0.913, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0,
    0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 6.0, 5.0, 21.0, 24.0, 24.0,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.299, -0.419, 0.06, -0.599, -0.898, 0.0,
    0.299, -0.359, 0.295, -0.295, -0.59, -0.885, 0.147, 0.147, 0.147, 0.147,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
]  # fmt: skip
