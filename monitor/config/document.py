"""YAML text → plain values that know where they stand. YAML 1.2 rules: `5:30`, `off`, `no` and dates are text.

What PyYAML's safe loader would do silently is a problem here: a second key of the same name, unknown tags, more than
one document, values that contain themselves. Knows nothing of what the keys mean.

Invariant: what comes out is a tree of `Mapping`, `Sequence`, str, int, float, bool and None, bounded in size, depth
and number of values, aliases written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.config.problem import Problem, Span, nearest

MAX_CHARACTERS = 1_048_576
"""Characters in one file. More: one problem, the file is not read."""

MAX_DEPTH = 64
"""Levels of nesting. More: one problem, the file is not read."""

MAX_VALUES = 100_000
"""Values after aliases are written out. More: one problem, the file is not read."""

Path = tuple[str | int, ...]

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]{1,64}|0o[0-7]{1,64}|0x[0-9a-fA-F]{1,64})\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_TAG = "tag:yaml.org,2002:"

# What looks like a secret is masked in every line that is shown, also in a file that cannot be read.
_SECRET_KEY = re.compile(r"tok(?:en)?|secret|passw|api_?key|credential|^url$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"xox[a-z]-[^\s\"',}]+|xapp-[^\s\"',}]+|(?<=://)[^\s/@\"']+(?=@)"
    r"|(?:(?<=token:)|(?<=secret:)|(?<=password:)|(?<=[\s{,]url:))\s*(?!\s*\"?\$\{)[^\s,}]+",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""What PyYAML counts as the end of a line; counted otherwise, places and masks would stand on the wrong one."""

_UNQUOTED = re.compile(r"[:,\[{]\s+#\w")
_VARIABLES_ONLY = re.compile(r"\$\{[^}]*\}\Z")


class Mapping(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand."""

    __slots__ = ("keys_at", "path", "span", "values_at")

    def __init__(self, path: Path, span: Span) -> None:
        super().__init__()
        self.path = path
        self.span = span
        self.keys_at: dict[str, Span] = {}
        self.values_at: dict[str, Span] = {}


class Sequence(list[Any]):
    """A sequence that knows where it and its items stand, and each item's index in the file."""

    __slots__ = ("indexes", "items_at", "path", "span")

    def __init__(self, path: Path, span: Span) -> None:
        super().__init__()
        self.path = path
        self.span = span
        self.items_at: list[Span] = []
        self.indexes: list[int] = []

    def drop(self, index: int) -> None:
        """Remove an item; the others keep their place and their index in the file."""
        del self[index], self.items_at[index], self.indexes[index]


@dataclass(slots=True)
class Document:
    """One file: its values, its masked lines, and what is wrong with it so far."""

    file: str
    lines: list[str]
    root: Mapping
    problems: list[Problem] = field(default_factory=list)

    def report(
        self,
        span: Span,
        path: Path,
        message: str,
        *,
        found: str | None = None,
        allowed: tuple[str, ...] = (),
        suggestion: str | None = None,
        warning: bool = False,
    ) -> None:
        """Note a problem at a place. `found` must be no secret."""
        source = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        problem = Problem(
            file=self.file,
            line=span.line,
            column=span.column,
            path=path_text(path),
            message=_SECRET_TEXT.sub(_mask, message),
            found=None if found is None else _SECRET_TEXT.sub(_mask, found),
            allowed=allowed,
            suggestion=suggestion,
            severity="warning" if warning else "error",
            length=span.length,
            source=source,
        )
        if problem not in self.problems:  # an alias shows the same place twice
            self.problems.append(problem)

    def unknown(self, span: Span, path: Path, what: str, word: str, allowed: tuple[str, ...]) -> None:
        """Note a name that is not among the allowed ones, with the nearest of them."""
        self.report(
            span, path, f"{what} `{clip(word)}`", found=clip(word), allowed=allowed, suggestion=nearest(word, allowed)
        )


def read_document(text: str, file: str) -> Document:
    """The file's values. What is wrong with it as YAML stands in `problems`; the root is then as much as was read."""
    lines = _LINE_END.split(text)
    document = Document(file, [_SECRET_TEXT.sub(_mask, line) for line in lines], Mapping((), Span(1, 1)))
    if len(text) > MAX_CHARACTERS:
        document.report(Span(1, 1), (), f"the file has {len(text)} characters; at most {MAX_CHARACTERS} are read")
        return document
    try:
        node = _compose(text)
        if node is None:
            return document
        if not isinstance(node, MappingNode):
            document.report(_span(node, lines), (), "the file must be a mapping of sections, such as `owners:`")
            return document
        build = _Builder(document, lines)
        document.root = build.mapping(node, ())
    except _TooMuchError as problem:
        document.report(problem.span, (), str(problem))
    except yaml.MarkedYAMLError as error:
        mark, what = _no_yaml(error)
        place = Span(mark.line + 1, mark.column + 1) if mark else Span(1, 1)
        begun, ended = (one.line if one else 0 for one in (error.context_mark, error.problem_mark))
        if number := _comment_line(lines, 0 if begun == ended else begun, ended):
            what += f"; on line {number} an unquoted `#` starts a comment"
        document.report(place, (), f"this is no YAML: {what}")
    except yaml.reader.ReaderError as error:
        before = _LINE_END.split(text[: error.position])
        place = Span(len(before), len(before[-1]) + 1)
        document.report(place, (), f"a file of text cannot hold the character U+{error.character:04X}")
    return document


def _no_yaml(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """Where to look, and what is wrong: PyYAML's words, or plainer ones for what people do most.

    PyYAML quotes what it found (`found '}'`), never a whole value.
    """
    problem, context, begun = error.problem or "", error.context or "", error.context_mark
    if "'\\t'" in problem:
        return error.problem_mark, "a tab; YAML is indented with spaces"
    if "single document" in context:
        return error.problem_mark, "a second document begins here; one file is one configuration"
    if begun is not None and ("stream end" in problem or "end of stream" in problem):
        for name, what in _OPENED.items():
            if name in context:
                return begun, f"{what} is never closed"
    return error.problem_mark or begun, " ".join(part for part in (problem, context) if part)


_OPENED = {"flow mapping": "this `{`", "flow sequence": "this `[`", "quoted scalar": "this quote"}


def path_text(path: Path) -> str:
    """The path as one writes it: `components[0].owner`; keys with other characters in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{clip(part)}"]'
    return text


def clip(text: str, length: int = 60) -> str:
    """A text short enough for one line."""
    text = text.replace("\n", " ")
    return text if len(text) <= length else text[: length - 1] + "…"


class _TooMuchError(Exception):
    def __init__(self, span: Span, message: str) -> None:
        super().__init__(message)
        self.span = span


class _Loader(yaml.SafeLoader):
    """PyYAML's composer with the scalar rules of YAML 1.2 and a bound on depth."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own protocol: a class attribute)
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _TooMuchError(Span(mark.line + 1, mark.column + 1), f"nested deeper than {MAX_DEPTH} levels")
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern in (
    ("null", _NULL),
    ("bool", _BOOL),
    ("int", _INT),
    ("float", _FLOAT),
    ("merge", re.compile("<<\\Z")),
):
    _Loader.add_implicit_resolver(_TAG + _tag, _pattern, None)


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        node: Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


class _Builder:
    """Nodes → values, with their places; counts values, sees cycles."""

    def __init__(self, document: Document, lines: list[str]) -> None:
        self.document = document
        self.lines = lines
        self.count = 0
        self.open: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooMuchError(_span(node, self.lines), f"more than {MAX_VALUES} values, aliases written out")
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return self.sequence(node, path)
        assert isinstance(node, ScalarNode)
        return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: Path) -> Mapping:
        self._enter(node, path, "map")
        result = Mapping(path, _span(node, self.lines))
        merged: list[Mapping] = []
        for key_node, value_node in node.value:
            at = _span(key_node, self.lines)
            if key_node.tag == _TAG + "merge":
                merged += self._merged(value_node, path)
                continue
            if not isinstance(key_node, ScalarNode):
                self.document.report(at, path, "a key must be a word")
                continue
            key = str(key_node.value)
            if key in result:
                first = result.keys_at[key].line
                self.document.report(
                    at, (*path, key), f"`{clip(key)}` stands here twice, first on line {first}", found=key
                )
                continue
            result[key] = self.value(value_node, (*path, key))
            result.keys_at[key] = at
            result.values_at[key] = _span(value_node, self.lines)
            self._mask_secret(key, value_node)
        for source in merged:  # what is written beside `<<` wins, then the earlier of several
            for key in source:
                if key not in result:
                    result[key] = source[key]
                    result.keys_at[key] = source.keys_at[key]
                    result.values_at[key] = source.values_at[key]
        self.open.discard(id(node))
        return result

    def sequence(self, node: SequenceNode, path: Path) -> Sequence:
        self._enter(node, path, "seq")
        result = Sequence(path, _span(node, self.lines))
        for index, item in enumerate(node.value):
            result.append(self.value(item, (*path, index)))
            result.items_at.append(_span(item, self.lines))
            result.indexes.append(index)
        self.open.discard(id(node))
        return result

    def scalar(self, node: ScalarNode, path: Path) -> object:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return text
            case "null" if _NULL.match(text):
                return None
            case "bool" if _BOOL.match(text):
                return text[0] in "tT"
            case "int" if _INT.match(text):
                return int(text, 0) if text.startswith("0") and text[1:2] in ("o", "x") else int(text)
            case "float" if _FLOAT.match(text):
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        self.document.report(_span(node, self.lines), path, f"the tag `{_tag_text(node.tag)}` is not understood here")
        return text

    def _enter(self, node: Node, path: Path, kind: str) -> None:
        if id(node) in self.open:
            raise _TooMuchError(_span(node, self.lines), "a value that contains itself")
        self.open.add(id(node))
        if node.tag != _TAG + kind:
            self.document.report(
                _span(node, self.lines), path, f"the tag `{_tag_text(node.tag)}` is not understood here"
            )

    def _merged(self, node: Node, path: Path) -> list[Mapping]:
        items = node.value if isinstance(node, SequenceNode) else [node]
        merged = []
        for item in items:
            self.count += 1
            if isinstance(item, MappingNode):
                merged.append(self.mapping(item, path))
            else:
                self.document.report(_span(item, self.lines), path, "`<<` takes a mapping, or a list of mappings")
        return merged

    def _mask_secret(self, key: str, node: Node) -> None:
        if not _SECRET_KEY.search(key) or key.endswith("_file") or not isinstance(node, ScalarNode):
            return
        if _VARIABLES_ONLY.match(node.value) or not node.value:
            return
        lines = self.document.lines
        for number in range(node.start_mark.line, min(node.end_mark.line + 1, len(lines))):
            start = node.start_mark.column if number == node.start_mark.line else 0
            end = node.end_mark.column if number == node.end_mark.line else len(lines[number])
            lines[number] = lines[number][:start] + "*" * max(0, end - start) + lines[number][end:]


def _span(node: Node, lines: list[str]) -> Span:
    start, end = node.start_mark, node.end_mark
    if isinstance(node, ScalarNode) and end.line == start.line:
        length = end.column - start.column
    elif isinstance(node, ScalarNode):
        length = len(lines[start.line].rstrip()) - start.column
    else:
        length = 1
    return Span(start.line + 1, start.column + 1, max(1, length))


def _comment_line(lines: list[str], first: int, last: int) -> int | None:
    """The line, from 1, of what looks like a Slack channel without its quotes."""
    return next((n + 1 for n in range(first, last + 1) if n < len(lines) and _UNQUOTED.search(lines[n])), None)


def _tag_text(tag: str) -> str:
    return clip("!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag)


def _mask(match: re.Match[str]) -> str:
    found = match[0]
    return " " * (len(found) - len(found.lstrip())) + "*" * len(found.lstrip())
