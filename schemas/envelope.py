"""The two places in which a tool's result says that the call failed while its status is ok.

Apart from `schemas.derive`, which is compiled: msgspec reads annotations that mypyc drops.
"""

from __future__ import annotations

import msgspec

from schemas.event import NOTHING


class Envelope(msgspec.Struct, gc=False):
    """The top of a result, as JSON; what is absent is empty."""

    error: msgspec.Raw = NOTHING
    isError: msgspec.Raw = NOTHING  # noqa: N815 (the Model Context Protocol's spelling)


read = msgspec.json.Decoder(Envelope).decode
