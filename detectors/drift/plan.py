"""How a bank is laid out: which channels lie where, shared by all banks that watch the same.

Not here: any state of a bank. The working memory of one step lies here, so that a bank does not pay for it; nothing in
it outlives a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from librt.vecs import vec

from detectors.drift.channels import Channel, Signal
from detectors.drift.references import memory


class Plan:
    """`channels` in the order of the values given to `Bank.observe`; `block`: runs that blocked signals take as one.

    Raises ValueError for channels of unknown signals, names used twice, or shares that are more than the whole.
    """

    def __init__(self, channels: Sequence[Channel], signals: Sequence[Signal], block: int = 50) -> None:
        _check(channels, signals)
        self.channels = tuple(channels)
        self.signals = tuple(signals)
        self.block = block
        index = {signal.name: i for i, signal in enumerate(signals)}
        blocked = [signals[index[channel.signal]].blocked for channel in channels]
        self.signal_of = tuple(index[channel.signal] for channel in channels)
        numbers = [i for i, channel in enumerate(channels) if channel.kind == "number"]
        others = [i for i, channel in enumerate(channels) if channel.kind != "number"]
        self.numbers = tuple(sorted(numbers, key=lambda i: not blocked[i]))
        """Positions of number channels, the blocked ones first."""
        self.others = tuple(sorted(others, key=lambda i: blocked[i]))
        """Positions of the rest, the blocked ones last."""
        self.blocked_numbers = sum(blocked[i] for i in numbers)
        self.free_others = sum(not blocked[i] for i in others)
        self.place = {position: i for i, position in enumerate(self.numbers)} | {
            position: i for i, position in enumerate(self.others)
        }
        self.members = tuple(
            tuple(i for i, at in enumerate(self.signal_of) if at == signal) for signal in range(len(signals))
        )
        """Positions of the channels of each signal."""
        self.layout = layout_of(channel.name for channel in channels)
        """By which a bank of other channels is known."""
        self.tolerances = tuple(signals[at].tolerance for at in self.signal_of)
        self.number_positions = memory.indices(self.numbers)
        self._room = memory.filled(0, 1.0)

    def room(self, size: int) -> vec[float]:
        """Working memory for `size` e-values, or more."""
        if len(self._room) < size:
            self._room = memory.filled(size, 1.0)
        return self._room


def layout_of(channels: Iterable[str]) -> bytes:
    """A hash of the names of channels."""
    return blake2b("\n".join(channels).encode(), digest_size=8).digest()


def _check(channels: Sequence[Channel], signals: Sequence[Signal]) -> None:
    names = {signal.name for signal in signals}
    unknown = sorted({channel.signal for channel in channels} - names)
    if unknown:
        raise ValueError(f"channels of unknown signals: {', '.join(unknown)}")
    if len(names) < len(signals) or len({channel.name for channel in channels}) < len(channels):
        raise ValueError("a name is used twice")
    for voice, shares in (
        ("notice", [signal.notice_share for signal in signals]),
        ("page", [signal.page_share for signal in signals]),
    ):
        if min(shares, default=0.0) < 0.0 or sum(shares) > 1.0 + 1e-9:
            raise ValueError(f"the {voice} shares must be parts of one, they sum to {sum(shares):g}")
    if any(signal.tolerance < 1.0 for signal in signals):
        raise ValueError("a tolerance is at least 1")
