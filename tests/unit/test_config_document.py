"""YAML text → values: rows of what is written and what is read."""

from __future__ import annotations

import pytest

from monitor.config import check_text
from monitor.config.document import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, Mapping, Sequence, read_document

SCALARS = [
    ("5:30", "5:30", "YAML 1.1 would read 330"),
    ("12:30:45", "12:30:45", "YAML 1.1 would read 45045"),
    ("off", "off", "YAML 1.1 would read False"),
    ("on", "on", "YAML 1.1 would read True"),
    ("no", "no", "the country"),
    ("y", "y", "a letter"),
    ("true", True, ""),
    ("FALSE", False, ""),
    ("1.10", 1.1, "a number, as written"),
    ("1_000", "1_000", "YAML 1.1 would read 1000"),
    ("010", 10, "YAML 1.1 would read 8"),
    ("0o10", 8, "octal is written so"),
    ("0x1F", 31, ""),
    ("1e3", 1000.0, "YAML 1.1 would read text"),
    ("-.5", -0.5, ""),
    (".inf", float("inf"), ""),
    ("2026-01-01", "2026-01-01", "YAML 1.1 would read a date"),
    ("~", None, ""),
    ("null", None, ""),
    ("", None, ""),
    ("'5'", "5", "quotes make text"),
    ("!!str 5", "5", "so does the tag"),
    ("97%", "97%", ""),
    ("1 per week", "1 per week", ""),
]


@pytest.mark.parametrize(("written", "read", "why"), SCALARS, ids=[row[0] or "empty" for row in SCALARS])
def test_scalars_follow_yaml_1_2(written: str, read: object, why: str) -> None:
    document = read_document(f"key: {written}\n", "f.yaml")
    assert not document.problems, why
    found = document.root["key"]
    assert found == read, why
    assert type(found) is type(read), why


def test_places_are_those_of_the_file() -> None:
    document = read_document("a:\n  bc: [1, twenty]\n", "f.yaml")
    inner = document.root["a"]
    assert isinstance(inner, Mapping)
    assert (inner.keys_at["bc"].line, inner.keys_at["bc"].column, inner.keys_at["bc"].length) == (2, 3, 2)
    numbers = inner["bc"]
    assert isinstance(numbers, Sequence)
    assert [(span.column, span.length) for span in numbers.items_at] == [(8, 1), (11, 6)]


def test_merge_keeps_what_is_written_beside_it() -> None:
    document = read_document("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n", "f.yaml")
    assert document.root["c"] == {"x": 3, "y": 1, "z": 2}


REFUSED = [
    ("a: 1\na: 2\n", "`a` stands here twice, first on line 1", 2, 1),
    ("a: {b: 1, b: 2}\n", "`b` stands here twice, first on line 1", 1, 11),
    ("a: 1\n---\nb: 2\n", "a second document begins here; one file is one configuration", 2, 1),
    ("- a\n", "the file must be a mapping", 1, 1),
    ("a: 1\nb: [1, 2\n", "this is no YAML: this `[` is never closed", 2, 4),
    ("a: {b: 1\n\n", "this is no YAML: this `{` is never closed", 1, 4),
    ("a: {b: 1]\n", "expected ',' or '}', but got ']'", 1, 9),
    ("a: 'b\nc: 1\n", "this is no YAML: this quote is never closed", 1, 4),
    ("a:\n  b: {c: #payments}\n", "on line 2 an unquoted `#` starts a comment", 3, 1),
    ("# a note, of #payments\na: {b: 1]\n", "expected ',' or '}'", 2, 9),
    ("a: &x {b: *x}\n", "a value that contains itself", 1, 4),
    ("a: *missing\n", "found undefined alias", 1, 4),
    ("a: !!python/object:os.system x\n", "is not understood here", 1, 4),
    ("a: !vault {b: 1}\n", "the tag `!vault` is not understood here", 1, 4),
    ("? [a]\n: 1\n", "a key must be a word", 1, 3),
    ("a: {<<: 5}\n", "`<<` takes a mapping", 1, 9),
    ("a: \x07\n", "cannot hold the character U+0007", 1, 4),
    ("a:\n\tb: 1\n", "a tab; YAML is indented with spaces", 2, 1),
    ("a: `b`\n", "found character '`' that cannot start any token", 1, 4),
    ("a: " + "[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels", 1, 67),
]


@pytest.mark.parametrize(("text", "message", "line", "column"), REFUSED)
def test_what_cannot_be_read_is_a_problem_at_its_place(text: str, message: str, line: int, column: int) -> None:
    problems = [problem for problem in check_text(text, "f.yaml") if message in problem.message]
    assert [(problem.line, problem.column) for problem in problems] == [(line, column)], check_text(text, "f.yaml")


def test_a_bomb_of_aliases_is_bounded() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    messages = [problem.message for problem in read_document(text, "f.yaml").problems]
    assert messages == [f"more than {MAX_VALUES} values, aliases written out"]


def test_a_file_too_large_is_not_read() -> None:
    messages = [problem.message for problem in read_document("#" * (MAX_CHARACTERS + 1), "f.yaml").problems]
    assert messages == [f"the file has {MAX_CHARACTERS + 1} characters; at most {MAX_CHARACTERS} are read"]


def test_a_very_deep_file_ends_in_one_problem() -> None:
    assert len(read_document("[" * 500_000, "f.yaml").problems) == 1


def test_nothing_at_all_is_a_file_of_defaults() -> None:
    assert check_text("", "f.yaml") == []
    assert check_text("# only a comment\n", "f.yaml") == []
