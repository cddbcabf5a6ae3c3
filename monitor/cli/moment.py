"""A moment on the command line: epoch seconds, or RFC 3339 as people write it."""

from __future__ import annotations

from typing import Any

import click

from schemas.border import parse_time


class Moment(click.ParamType):
    """A moment as the lines of JSON write it, or as a person does."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_time(float(value))
        except ValueError:
            pass
        try:
            return parse_time(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write epoch seconds or 2026-01-31T12:00:00Z", param, ctx)


MOMENT = Moment()
