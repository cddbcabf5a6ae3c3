"""Secrets: `${VAR}` and `*_file` in the fields that hold secrets, and nowhere else.

The environment is an argument; a file is read here and nowhere else in `monitor.config`. Invariant: no value of a
variable or a file enters a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Environment
from pathlib import Path

from monitor.config.document import Document, Mapping, Sequence
from monitor.config.shape import secret_keys, sections
from schemas.config import Config

SECRET_FILE_BYTES = 65_536
"""Bytes of a secret's file. More: a problem."""

SECRET_PATHS = (
    "slack.bot_token",
    "slack.app_token",
    "slack.signing_secret",
    "runtime.token",
    "runtime.tokens[].token",
    "runtime.kafka.security.password",
    "runtime.kafka.security.key_password",
    "receivers[].webhook_configs[].url",
)
"""Where secrets stand, for people; a test holds it equal to the types."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPEN = "${"


def resolve_secrets(document: Document, environ: Environment[str, str] | None, *, as_warnings: bool = False) -> None:
    """Put the secrets into the document. Without `environ` only the grammar is checked and nothing is read.

    `as_warnings`: a missing variable or file is a warning, because the file may be checked where its secrets are not.
    """
    secret_at: set[tuple[int, str]] = set()
    for mapping, model in sections(document.root, Config):
        for key in secret_keys(model):
            secret_at.add((id(mapping), key))
            _resolve(document, mapping, key, environ, as_warnings)
    for holder, part in _texts(document.root):
        if (id(holder), part) not in secret_at:
            span = holder.values_at[str(part)] if isinstance(holder, Mapping) else holder.items_at[int(part)]
            document.report(
                span,
                (*holder.path, part),
                "variables are read in fields for secrets only",
                found=_OPEN,
                allowed=SECRET_PATHS,
            )


def _resolve(
    document: Document, mapping: Mapping, key: str, environ: Environment[str, str] | None, as_warnings: bool
) -> None:
    file_key = f"{key}_file"
    text, file = mapping.get(key), mapping.get(file_key)
    if key in mapping and file_key in mapping:
        document.report(mapping.keys_at[file_key], (*mapping.path, file_key), f"`{key}` is given already; keep one")
        return
    if isinstance(text, str) and _OPEN in text:
        value = _expand(document, mapping, key, text, environ, as_warnings)
        if value is not None:
            mapping[key] = value
        elif environ is not None:
            del mapping[key]
    elif isinstance(file, str) and environ is not None:
        path = Path(document.file).parent / file
        span = mapping.values_at[file_key]
        try:
            with path.open("rb") as opened:
                content = opened.read(SECRET_FILE_BYTES + 1)
            secret = content.decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "no text"
            document.report(
                span,
                (*mapping.path, file_key),
                f"cannot read the secret's file: {reason}",
                found=file,
                warning=as_warnings,
            )
            return
        if not secret or len(content) > SECRET_FILE_BYTES:
            reason = "is empty" if not secret else f"is larger than {SECRET_FILE_BYTES} bytes"
            document.report(span, (*mapping.path, file_key), f"the secret's file {reason}", warning=as_warnings)
            return
        mapping[key] = secret
        mapping.keys_at[key], mapping.values_at[key] = mapping.keys_at[file_key], span


def _expand(
    document: Document,
    mapping: Mapping,
    key: str,
    text: str,
    environ: Environment[str, str] | None,
    as_warnings: bool,
) -> str | None:
    span, path = mapping.values_at[key], (*mapping.path, key)
    value: str | None = text
    for match in _VARIABLE.finditer(text):
        name = match[1]
        if not _NAME.fullmatch(name):
            document.report(span, path, "`${…}` takes the name of a variable: letters, digits and `_`")
            value = None
        elif environ is not None and not environ.get(name):
            document.report(span, path, f"the variable {name} is not set", found=name, warning=as_warnings)
            value = None
    if text.count(_OPEN) != len(_VARIABLE.findall(text)):
        document.report(span, path, "`${` without its `}`")
        value = None
    if value is None or environ is None:
        return None
    return _VARIABLE.sub(lambda match: environ[match[1]], text)


def _texts(value: Mapping | Sequence) -> Iterator[tuple[Mapping | Sequence, str | int]]:
    """Every text of the document that has a `${`."""
    entries = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, inner in entries:
        if isinstance(inner, Mapping | Sequence):
            yield from _texts(inner)
        elif isinstance(inner, str) and _OPEN in inner:
            yield value, key
