"""What may be shown of text that came from an agent: a short, harmless, redacted line.

Pure, linear in the first kilobyte, whatever the length. It does not escape: each renderer knows its own medium.
Invariant: what comes out has no control, bidirectional or invisible characters, no line break, and at most `limit`
characters.
"""

from __future__ import annotations

import re
import unicodedata

from schemas.limits import EXCERPT_LENGTH

READ = 1024
"""Characters of a text that are looked at. What follows is not shown in any case."""

_BLANK = re.compile(r"\s+")
_INVISIBLE = frozenset(("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"))
_COMBINING = re.compile(r"([\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]{2})[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]+")

_STRICT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("key", re.compile(r"-----BEGIN [A-Z ]{1,40}-----.*")),
    ("token", re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}")),
    (
        "key",
        re.compile(r"\b(?:xox[a-z]-|xapp-|sk-|pk_|sk_|rk_|gh[pousr]_|github_pat_|glpat-|AIza|hf_|npm_|SG\.)[\w.-]{8,}"),
    ),
    ("key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")),
    ("key", re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.+/=~-]{8,}")),
    (
        "key",
        re.compile(
            r"(?i)\b((?:api|access|secret|auth)[_-]?(?:key|token)|password|passwd|secret|token)[\"']?\s?[:=]\s?[\"']?[^\s\"',;]{4,}"
        ),
    ),
    ("key", re.compile(r"(?<=://)[^/\s:@]{1,100}:[^/\s@]{1,100}(?=@)")),
    ("mail", re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")),
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.:-])(?!0\.\d+(?![./() -]*\d))(?:\+|00|\(?0)\d?(?:[ ()./-]{0,2}\d){6,14}(?![\w:-])")
_PHONE_US = re.compile(r"(?<![\w.:-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w:-])")


def redact(text: str, limit: int = EXCERPT_LENGTH) -> str:
    """Free text without mail, phone numbers, cards, IBANs, API keys and tokens, at most `limit` characters."""
    line = _strict(_line(text))
    line = _IBAN.sub(lambda found: "[iban]" if _is_iban(found[0]) else found[0], line)
    line = _CARD.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], line)
    line = _PHONE_US.sub("[phone]", _PHONE.sub("[phone]", line))
    return _clipped(line, limit)


def name(text: str, limit: int = 120) -> str:
    """A name or an id: harmless, without mail addresses, keys and tokens; digits stay, for ids are made of them."""
    return _clipped(_strict(_line(text)), limit)


def _line(text: str) -> str:
    """The first kilobyte as one clean line. A word cut at the end goes, for half a secret is not recognised."""
    head = text[:READ]
    if len(text) > READ and (blank := max(head.rfind(" "), head.rfind("\n"))) > 0:
        head = head[:blank]
    head = _BLANK.sub(" ", head)
    head = "".join(each if each == " " or unicodedata.category(each) not in _INVISIBLE else "" for each in head)
    return _COMBINING.sub(r"\1", _BLANK.sub(" ", head)).strip()


def _strict(line: str) -> str:
    for label, pattern in _STRICT:
        line = pattern.sub(f"[{label}]", line)
    return line


def _clipped(line: str, limit: int) -> str:
    return line if len(line) <= limit else (line[: max(0, limit - 1)].rstrip() + "…")[:limit]


def _is_card(text: str) -> bool:
    """Luhn's check over 13 to 19 digits."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 7064, remainder 1 of 97."""
    packed = text.replace(" ", "").upper()
    if not 15 <= len(packed) <= 34:
        return False
    return int("".join(str(int(each, 36)) for each in packed[4:] + packed[:4])) % 97 == 1
