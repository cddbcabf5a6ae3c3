"""What agents answer, made up: seven families of healthy answers, and ways in which an answer's shape may change.

Written for this benchmark, from templates with random fill. Nothing in the monitor knows of any of them.
"""

# ruff: noqa: ARG005 (all kinds of change take the same three)
from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

Change = Callable[[str, dict[str, object], random.Random], str]

_ITEMS = ("kettle", "desk lamp", "yoga mat", "backpack", "keyboard", "coffee grinder", "umbrella", "rain jacket")
_CITIES = ("Lyon", "Porto", "Leeds", "Graz", "Turin", "Malmö", "Ghent", "Bilbao")
_REASONS = ("arrived damaged", "is the wrong colour", "never arrived", "stopped working", "came without its manual")
_STATES = ("refunded", "replaced", "rejected", "pending")
_NAMES = ("Mara", "Tom", "Ines", "Olu", "Jon", "Priya", "Lena", "Sam")
_OPENINGS = ("They say that", "It seems that", "After two weeks", "As far as we can tell", "Again")
_ENDINGS = (".", ", and they want their money back.", "; a photo is attached.", ", which is the second time this year.")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def record(rng: random.Random) -> dict[str, object]:
    """What an answer is about."""
    return {
        "order_id": f"A-{rng.randint(10_000, 99_999)}",
        "item": rng.choice(_ITEMS),
        "city": rng.choice(_CITIES),
        "reason": rng.choice(_REASONS),
        "state": rng.choice(_STATES),
        "amount": round(rng.lognormvariate(3.5, 0.6), 2),
        "days": rng.randint(1, 9),
        "name": rng.choice(_NAMES),
        "lines": [
            {"sku": f"S{rng.randint(100, 999)}", "quantity": rng.randint(1, 4)} for _ in range(rng.randint(1, 4))
        ],
        "notes": rng.sample(_REASONS, rng.randint(0, 2)),
    }


def as_json(about: dict[str, object], rng: random.Random) -> str:
    """A structured answer, as a program reads it."""
    answer = {
        "order_id": about["order_id"],
        "decision": {"state": about["state"], "amount": about["amount"], "currency": "EUR"},
        "lines": about["lines"],
        "reason": f"The {about['item']} {about['reason']}.",
        "confident": rng.random() < 0.8,
    }
    if rng.random() < 0.3:
        answer["notes"] = about["notes"]
    return json.dumps(answer)


def as_prose(about: dict[str, object], rng: random.Random) -> str:
    """A support answer in sentences."""
    opening = rng.choice(
        (
            f"Hi {about['name']}, thanks for your patience.",
            f"Hello {about['name']}!",
            f"Thank you for getting in touch, {about['name']}.",
        )
    )
    middle = rng.choice(
        (
            f"I checked order {about['order_id']}: the {about['item']} {about['reason']}, so it has been "
            f"{about['state']}. You will see {about['amount']} euros within {about['days']} days.",
            f"Your {about['item']} from order {about['order_id']} was sent from {about['city']}. Since it "
            f"{about['reason']}, we have marked it as {about['state']}; the amount is {about['amount']} euros.",
            f"I am looking at the {about['item']} now. It left {about['city']} {about['days']} days ago. Because it "
            f"{about['reason']}, the request is {about['state']}.",
        )
    )
    closing = rng.choice(("Is there anything else I can do?", "Let me know if it does not arrive.", "Have a good day!"))
    extra = rng.choice(("", " We are sorry for the trouble.", f" The reference is {rng.randint(1000, 9999)}."))
    return f"{opening} {middle}{extra} {closing}"


def as_markdown(about: dict[str, object], rng: random.Random) -> str:
    """A short report with a heading and bullets."""
    lines = [f"## Order {about['order_id']}", "", f"- **Item**: {about['item']}", f"- **State**: {about['state']}"]
    lines.append(f"- **Amount**: {about['amount']} EUR")
    if rng.random() < 0.7:
        lines.append(f"- **Shipped from**: {about['city']}, {about['days']} days ago")
    lines += [f"- Note: it {note}" for note in about["notes"]]  # type: ignore[attr-defined]
    lines += [
        "",
        rng.choice(("Next step: wait for the parcel.", "Next step: none.", f"Next step: call {about['name']}.")),
    ]
    return "\n".join(lines)


def as_ticket(about: dict[str, object], rng: random.Random) -> str:
    """A structured answer whose fields vary: optional ones, one that is null now and then, text of any length."""
    answer: dict[str, object] = {
        "summary": f"{rng.choice(_OPENINGS)} the {about['item']} {about['reason']}{rng.choice(_ENDINGS)}",
        "priority": rng.choice(("low", "normal", "high")),
        "opened": f"20{rng.randint(22, 26)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        "score": round(rng.random(), 2),
        "urgent": rng.random() < 0.2,
        "customer": {"name": about["name"], "address": {"city": about["city"], "floor": rng.randint(0, 9)}},
        "refund": None if rng.random() < 0.1 else about["amount"],
        "lines": about["lines"],
    }
    if rng.random() < 0.4:
        answer["advice"] = rng.choice(("none", "call back", "Send a new one and ask for the old one."))
    return json.dumps(answer)


def as_cited(about: dict[str, object], rng: random.Random) -> str:
    """An answer in sentences with its sources, amounts and weights."""
    said = [
        f"The {about['item']} costs €{about['amount']} and weighs {rng.randint(1, 30)} kg [1].",
        f"Of all returns {rng.randint(2, 40)} % are because it {about['reason']} [2].",
        f"It is sent from {about['city']} within {about['days']} days [{rng.randint(1, 3)}].",
    ]
    rng.shuffle(said)
    return (
        f"{about['name']} & team, {' '.join(said[: rng.randint(2, 3)])} Sources: handbook, page {rng.randint(1, 99)}."
    )


def as_letter(about: dict[str, object], rng: random.Random) -> str:
    """A letter with its subject, greeting and signature."""
    opening = rng.choice(("Thank you for your message.", "We have looked into it.", "I hope you are well."))
    return (
        f"Subject: {rng.choice(('Your order', 'Update on', 'About'))} {about['order_id']}\n\nDear {about['name']},\n\n"
        f"{opening} Your {about['item']} {about['reason']}. {rng.choice(('We will refund', 'You will get back'))} "
        f"{about['amount']} EUR within {about['days']} days.\n\n{rng.choice(('Best', 'Kind'))} regards,\n"
        f"{rng.choice(_NAMES)}"
    )


def as_rows(about: dict[str, object], rng: random.Random) -> str:  # noqa: ARG001 (all families take both)
    """Rows with a header, values apart by commas."""
    rows = [
        f"S{rng.randint(100, 999)},{rng.choice(_ITEMS)},{rng.lognormvariate(3.0, 1.0):.2f},{rng.randint(1, 9)}"
        for _ in range(rng.randint(2, 7))
    ]
    return "\n".join(("sku,title,price,quantity", *rows))


def _value(name: str, make: Callable[[Any], object]) -> Change:
    """A change of what one field of a structured answer holds."""

    def change(text: str, about: dict[str, object], rng: random.Random) -> str:  # noqa: ARG001 (all kinds take these)
        answer = json.loads(text)
        answer[name] = make(answer[name])
        return json.dumps(answer)

    return change


def _flat(text: str) -> str:
    answer = json.loads(text)
    address = answer["customer"].pop("address")
    answer["customer"] |= {f"address_{name}": value for name, value in address.items()}
    return json.dumps(answer)


def _texts(value: Any) -> Any:
    """All numbers as text."""
    if isinstance(value, dict):
        return {name: _texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _spanish(about: dict[str, object], rng: random.Random) -> str:
    opening = rng.choice(("Hola", "Buenos días", "Gracias por escribirnos"))
    return (
        f"{opening}, {about['name']}. He revisado el pedido {about['order_id']}: el artículo llegó dañado, así que "
        f"ya está tramitado. Recibirás {about['amount']} euros en {about['days']} días. ¿Necesitas algo más?"
    )


def _japanese(about: dict[str, object], rng: random.Random) -> str:
    opening = rng.choice(("お問い合わせありがとうございます。", "こんにちは。"))
    days, amount = about["days"], about["amount"]
    return f"{opening}ご注文{about['order_id']}を確認しました。{days}日以内に{amount}ユーロを返金いたします。"


def _refusal(about: dict[str, object], rng: random.Random) -> str:  # noqa: ARG001 (all kinds take both)
    return rng.choice(
        (
            "I'm sorry, but I can't help with that request.",
            "I am unable to assist with this. Please contact a human agent.",
            "As an AI language model, I cannot provide that information.",
        )
    )


def _rename(text: str) -> str:
    return re.sub(r'"(\w+)":', lambda found: f'"{_camel(found[1])}":', text)


def _camel(name: str) -> str:
    return "the" + "".join(part.capitalize() for part in name.split("_"))


def _spell(text: str) -> str:
    return re.sub(r"\d", lambda digit: f" {_WORDS[int(digit[0])]}", text)


def _table(text: str) -> str:
    lines = ["| field | value |", "| --- | --- |"]
    lines += [
        f"| {left.strip('-* ')} | {right} |"
        for left, _, right in (line.partition(":") for line in text.split("\n"))
        if right
    ]
    return "\n".join(lines)


def _tags(text: str) -> str:
    return "<p>" + text.replace(". ", ".</p><p>") + "</p>"


def _framed(text: str) -> str:
    return (
        "Dear valued customer,\n\nPlease find our response below.\n\n"
        f"{text}\n\nKind regards,\nThe Support Team\n\nThis message was generated automatically."
    )


ANY: dict[str, Change] = {
    "truncated at half": lambda text, about, rng: text[: len(text) // 2],
    "in capitals": lambda text, about, rng: text.upper(),
    "given twice": lambda text, about, rng: f"{text}\n{text}",
    "empty": lambda text, about, rng: "",
    "a refusal": lambda text, about, rng: _refusal(about, rng),
    "after an apology": lambda text, about, rng: f"I apologize for the confusion. {text}",
    "in a code fence": lambda text, about, rng: f"```\n{text}\n```",
    "digits written out": lambda text, about, rng: _spell(text),
    "in another language": lambda text, about, rng: _spanish(about, rng),
    "in another script": lambda text, about, rng: _japanese(about, rng),
    "with reasoning before it": lambda text, about, rng: (
        f"<think>The user asks about order {about['order_id']}. I should look at the {about['item']}.</think>{text}"
    ),
    "always the same": lambda text, about, rng: "Your request has been processed. Thank you for contacting us today.",
}
JSON: dict[str, Change] = {
    "JSON → prose": lambda text, about, rng: as_prose(about, rng),
    "keys renamed": lambda text, about, rng: _rename(text),
    "indented": lambda text, about, rng: json.dumps(json.loads(text), indent=2),
    "JSON in a string": lambda text, about, rng: json.dumps(text),
    "single quotes": lambda text, about, rng: str(json.loads(text)),
    "prose before the JSON": lambda text, about, rng: f"Here is the result you asked for:\n{text}",
}
PROSE: dict[str, Change] = {
    "prose → JSON": lambda text, about, rng: as_json(about, rng),
    "prose → list": lambda text, about, rng: as_markdown(about, rng),
    "framed as a letter": lambda text, about, rng: _framed(text),
    "with tags": lambda text, about, rng: _tags(text),
    "first sentence alone": lambda text, about, rng: text.partition(". ")[0],
}
MARKDOWN: dict[str, Change] = {
    "list → table": lambda text, about, rng: _table(text),
    "list → prose": lambda text, about, rng: as_prose(about, rng),
    "marks stripped": lambda text, about, rng: text.replace("*", "").replace("#", "").replace("- ", ""),
    "on one line": lambda text, about, rng: " ".join(text.split()),
    "headings deeper": lambda text, about, rng: text.replace("## ", "### "),
    "bold lost": lambda text, about, rng: text.replace("**", ""),
}
TICKET: dict[str, Change] = {
    "numbers as text": lambda text, about, rng: json.dumps(_texts(json.loads(text))),
    "a share in percent": _value("score", lambda score: f"{100 * score:.0f} %"),
    "yes and no": _value("urgent", lambda urgent: "yes" if urgent else "no"),
    "a field always null": _value("summary", lambda _: None),
    "a field that may be null always is": _value("refund", lambda _: None),
    "a field empty": _value("summary", lambda _: ""),
    "a field not available": _value("summary", lambda _: "N/A"),
    "a field always the same": _value("summary", lambda _: "The request was handled as usual."),
    "one class for all": _value("priority", lambda _: "normal"),
    "another form of dates": _value("opened", lambda day: f"{day[5:7]}/{day[8:]}/{day[:4]}"),
    "flattened inside": lambda text, about, rng: _flat(text),
    "a template inside": _value("customer", lambda customer: customer | {"name": "{{ name }}"}),
    "entities inside": _value(
        "summary", lambda summary: summary.replace("the ", "the &quot;").replace(" a", " &amp;a")
    ),
    "quoted inside": _value("summary", lambda summary: f'"{summary}"'),
    "dots at the end inside": _value("summary", lambda summary: summary.rstrip(".") + " ..."),
    "a label inside": _value("summary", lambda summary: f"Summary: {summary}"),
    "a blank at the end inside": _value("summary", lambda summary: summary + " "),
}
CITED: dict[str, Change] = {
    "citations lost": lambda text, about, rng: re.sub(r" \[\d\]", "", text),
    "sources lost": lambda text, about, rng: text.partition(" Sources")[0],
    "currency lost": lambda text, about, rng: text.replace("€", ""),
    "another currency": lambda text, about, rng: text.replace("€", "$"),
    "entities": lambda text, about, rng: text.replace("&", "&amp;"),
    "a template unfilled": lambda text, about, rng: text.replace(str(about["name"]), "{{name}}"),
    "a name in brackets": lambda text, about, rng: text.replace(str(about["name"]), "<name>"),
}
LETTER: dict[str, Change] = {
    "subject lost": lambda text, about, rng: text.partition("\n\n")[2],
    "signature lost": lambda text, about, rng: text.rpartition("\n\n")[0],
    "greeting lost": lambda text, about, rng: re.sub(r"Dear \w+,\n\n", "", text),
    "ends of lines as Windows has them": lambda text, about, rng: text.replace("\n", "\r\n"),
    "two blanks for one": lambda text, about, rng: text.replace(". ", ".  "),
    "comma for point": lambda text, about, rng: re.sub(r"(\d)\.(\d)", r"\1,\2", text),
    "a postscript": lambda text, about, rng: f"{text}\n\nPS: (rate us)",
}
ROWS: dict[str, Change] = {
    "semicolons": lambda text, about, rng: text.replace(",", ";"),
    "tabs": lambda text, about, rng: text.replace(",", "\t"),
    "header lost": lambda text, about, rng: text.partition("\n")[2],
    "first column lost": lambda text, about, rng: "\n".join(line.partition(",")[2] for line in text.split("\n")),
    "whole numbers": lambda text, about, rng: re.sub(r"(\d)\.\d\d", r"\1", text),
    "quoted values": lambda text, about, rng: re.sub("[^,\n]+", lambda found: f'"{found[0]}"', text),
    "empty values": lambda text, about, rng: re.sub(r",[\d.]+,", ",,", text),
    "header alone": lambda text, about, rng: text.partition("\n")[0],
}
FAMILIES: dict[str, tuple[Callable[[dict[str, object], random.Random], str], dict[str, Change]]] = {
    "JSON": (as_json, ANY | JSON),
    "prose": (as_prose, ANY | PROSE),
    "markdown": (as_markdown, ANY | MARKDOWN),
    "ticket": (as_ticket, TICKET),
    "cited": (as_cited, CITED),
    "letter": (as_letter, LETTER),
    "rows": (as_rows, ROWS),
}
