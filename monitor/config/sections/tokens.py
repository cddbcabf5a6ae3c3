"""`runtime.token` and `runtime.tokens`: secrets that are some, under names of their own.

What a token opens is for `monitor.web.guard` to say.
"""

from __future__ import annotations

from pydantic import SecretStr

from monitor.config.document import Mapping, clip
from monitor.config.meaning import Checked, is_loopback

SHORTEST = 16
"""Characters of a token that others can try. A shorter one is a warning: it was taken before."""


def check_tokens(checked: Checked) -> None:
    """Tokens: each is one, and says under a name of its own who shows it."""
    _check_lengths(checked)
    known = {"token"}  # what `runtime.token` is called where it is recorded who did what
    secrets: set[str] = set()
    main = checked.config.runtime.token
    if main is not None:
        secrets.add(main.get_secret_value())
    places = checked.section("runtime").get("tokens", ())
    for place, token in zip(places, checked.config.runtime.tokens, strict=True):
        if not {"token", "token_file"} & place.keys_at.keys():
            checked.at(place, "name", "this needs a `token` (or `token_file`)", found=clip(token.name))
        if token.name in known or not token.name.isprintable() or " " in token.name:
            checked.at(place, "name", "a token has a name of its own, without spaces", found=clip(token.name))
        known.add(token.name)
        secret = token.token.get_secret_value() if token.token is not None else None
        if secret == "":
            checked.at(place, "token", "an empty token opens nothing")
        elif secret in secrets:
            checked.at(place, "name", "another token has the same secret: nobody could tell who it was")
        if secret is not None:
            secrets.add(secret)


def _check_lengths(checked: Checked) -> None:
    """Beyond this machine anybody may try tokens until one opens."""
    runtime, place = checked.config.runtime, checked.section("runtime")
    if is_loopback(runtime.host):
        return
    given: list[tuple[Mapping, SecretStr | None]] = [(place, runtime.token)]
    given += zip(place.get("tokens", ()), [each.token for each in runtime.tokens], strict=True)
    for holder, token in given:
        secret = token.get_secret_value() if token is not None else ""
        if secret and "${" not in secret and len(secret) < SHORTEST:
            where = "token" if "token" in holder.values_at else "token_file"
            what = f"this can be guessed: a token that others can try has {SHORTEST} characters at least"
            checked.at(holder, where, what, warning=True)
