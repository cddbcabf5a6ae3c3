"""Signals that a detector of river's watches, because the YAML says `method:`, in place of our own node of the agent.

Nothing is proved about the false alarms of these detectors, so they speak as notices. With `mode: page` an alarm pages
only if the detector, counted on a stream like the agent's own before the change, raises false alarms no more often than
the agent's own node of that signal may. Alarms of one episode are one message: it ends when the detector was quiet for
`QUIET` runs, back at the old level or steady at a new one.

Not here: the detectors (`detectors.river_detectors`), which of them exist (`detectors.registry`).

Invariant: the state is data. Restored, it goes on as it would have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from detectors import registry, river_detectors
from detectors.registry import Method
from detectors.river_detectors import Calibration, Watch
from monitor.drift.numbers import READERS
from monitor.runs import Closed
from monitor.signals import FAILURE_SIGNALS
from schemas.config import DetectorSettings
from schemas.finding import IS_BACK, STEADY, Direction, Finding, FindingStatus, Mode, Unit
from schemas.signals import SIGNALS
from schemas.view import SignalView

QUIET = 200
"""Runs without an alarm after which an episode is over."""
TIMES = 256
"""Latest runs whose time is kept, for the onset. A change that began earlier is dated to the first of them."""
EXAMPLES = 5
LEAST_SECONDS = 3600.0
"""Runs per second are taken over at least an hour."""
_RECENT = 30
"""Runs over which a view takes the present level."""
_SHORTEST = 5
"""Runs on each side of a change, at least."""
_LOWEST, _HIGHEST = 0.001, 0.9

_UNITS: Mapping[str, Unit] = {
    "run.duration_seconds": "seconds",
    "run.tokens": "tokens",
    "run.cost_usd": "usd",
    "run.output_length": "characters",
}


class _Episode(Struct, array_like=True):
    """From an alarm to `QUIET` runs without one. `n`: runs since the last alarm; `total`: the sum of their latter half,
    because a fault that ends in the meantime is over. `reached`: the level of an alarm that was farthest from `before`.
    """

    key: str
    direction: Direction
    mode: Mode
    before: float
    before_n: int
    after: float
    after_n: int
    onset: float
    reason: str
    reached: float
    alarms: int = 1
    n: int = 0
    total: float = 0.0


class _Saved(Struct, array_like=True):
    """One signal. `made`: what its detector was built of, so that another one does not inherit its values."""

    signal: str
    made: str
    values: bytes
    times: list[float]
    examples: list[str]
    runs: int
    first: float
    episode: _Episode | None


class _Watched:
    """One signal of the agent: its detector, and what is said of it."""

    def __init__(self, signal: str, method: Method, settings: DetectorSettings) -> None:
        self.signal = signal
        self.method = method
        self.settings = settings
        self.made = made_of(settings)
        self.is_share = SIGNALS[signal].form == "share"
        self.watch = Watch(method, settings.parameters)
        self.times: list[float] = []
        self.examples: list[str] = []
        self.runs = 0
        self.first = 0.0
        self.episode: _Episode | None = None
        self.counted: dict[float, Calibration] = {}

    def needs(self, now: float, page_rate: float) -> tuple[float, str]:
        """Runs per false alarm that the budget bears; and why this method can never show so many, empty if it might."""
        row = FAILURE_SIGNALS.get(self.signal)
        budget = page_rate * row.middle_share if row is not None else 0.0
        if budget <= 0.0:
            return math.inf, "notice only: it has no budget for pages"
        needed = self.runs / max(now - self.first, LEAST_SECONDS) / budget
        if needed > self.method.simulated / 3.0:  # even without one alarm it would not be enough
            many = f"{self.method.simulated:,} simulated runs cannot show that"
            return needed, f"notice only: the budget bears one false alarm in {int(needed):,} runs, and {many}"
        return needed, ""

    def may_page(self, before: Sequence[float], now: float, page_rate: float) -> tuple[bool, str]:
        """Whether the budget bears the method's false alarms, counted on a stream like `before`; and why, in words."""
        needed, never = self.needs(now, page_rate)
        if never:
            return False, never
        counted = self._count(before)
        bears = f"the budget bears one in {int(needed):,}"
        if counted.least < needed:
            return False, f"notice only: {counted.words()}, and {bears}"
        return True, f"{counted.words()}; {bears}"

    def _count(self, before: Sequence[float]) -> Calibration:
        method, parameters = self.method, self.settings.parameters
        if method.takes == "numbers" and any(y not in (0.0, 1.0) for y in before):
            return river_detectors.calibrate_numbers(method, parameters, before, method.simulated)
        rate = sum(1 for y in before if y > 0.0) / len(before)
        rate = float(f"{min(max(rate, _LOWEST), _HIGHEST):.2g}")  # near ones are counted once
        if rate not in self.counted:
            self.counted = {rate: river_detectors.calibrate_failures(method, parameters, rate, method.simulated)}
        return self.counted[rate]


class Methods:
    """The signals of one agent that have a `method:`. `emit` takes findings; `identify(parts)` names them."""

    def __init__(
        self,
        agent: str,
        owner: str,
        settings: Mapping[str, DetectorSettings],
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
    ) -> None:
        self.agent = agent
        self.owner = owner
        self.emit = emit
        self.identify = identify
        self._gone: list[_Saved] = []
        self._dropped: list[str] = []
        self._touched: set[str] = set()
        self._watched = [_Watched(name, *found) for name, found in sorted(named(settings).items())]

    @property
    def on(self) -> bool:
        """Whether there is anything to watch, or to end."""
        return bool(self._watched or self._gone)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that are watched here."""
        return tuple(watched.signal for watched in self._watched)

    def observe(self, closed: Closed, now: float, page_rate: float) -> None:
        """A closed run. `page_rate`: false pages per second that were granted to the agent."""
        self._end_gone(now)
        for watched in self._watched:
            y = READERS[watched.signal](closed)
            if y is not None and math.isfinite(y):
                self._take(watched, float(y), closed.run.run, now, page_rate)

    def views(self, now: float, page_rate: float) -> list[SignalView]:
        """What people see of each signal."""
        return [_view(watched, self.owner, now, page_rate) for watched in self._watched]

    # -- state

    def save(self) -> bytes | None:
        """The state; None where there is none."""
        saved = [*self._gone, *(_save(watched) for watched in self._watched)]
        return msgspec.msgpack.encode(saved) if saved else None

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Signal → its state, for signals that changed since the last call; None: nothing is left of it."""
        found: list[tuple[str, bytes | None]] = [(signal, None) for signal in self._dropped]
        found += [
            (watched.signal, msgspec.msgpack.encode([_save(watched)]))
            for watched in self._watched
            if watched.signal in self._touched
        ]
        self._dropped, self._touched = [], set()
        return found

    def load(self, raw: bytes) -> None:
        """Put back a saved state, of one signal or of several. A signal whose method has changed begins anew, and its
        episode goes on."""
        mine = {watched.signal: watched for watched in self._watched}
        for saved in msgspec.msgpack.decode(raw, type=list[_Saved]):
            watched = mine.get(saved.signal)
            if watched is None:
                if saved.episode is not None:
                    self._gone.append(saved)
                else:
                    self._dropped.append(saved.signal)
                continue
            watched.episode, watched.examples = saved.episode, saved.examples
            if watched.made == saved.made:
                watched.times, watched.runs, watched.first = saved.times, saved.runs, saved.first
                watched.watch = Watch(
                    watched.method, watched.settings.parameters, river_detectors.unpacked(saved.values)
                )

    # -- inner

    def _take(self, watched: _Watched, y: float, run: str, now: float, page_rate: float) -> None:
        self._touched.add(watched.signal)
        if not watched.runs:
            watched.first = now
        watched.runs += 1
        watched.times.append(now)
        if len(watched.times) >= 2 * TIMES:
            del watched.times[:-TIMES]
        if y > 0.0 or not watched.is_share:
            watched.examples.append(run)
            del watched.examples[:-EXAMPLES]
        episode = watched.episode
        if episode is not None:
            episode.n += 1
            episode.total += y if episode.n > QUIET // 2 else 0.0
        values = watched.watch.update(y)
        if values is not None:
            self._alarm(watched, values, now, page_rate)
        elif episode is not None and episode.n >= QUIET:
            self._end(watched, episode, now)

    def _alarm(self, watched: _Watched, values: list[float], now: float, page_rate: float) -> None:
        cut = change_in(values)
        before, after = values[:cut] or values, values[cut:] or values
        level, new_level = sum(before) / len(before), sum(after) / len(after)
        episode = watched.episode
        if episode is not None:
            episode.alarms += 1
            episode.n, episode.total = 0, 0.0
            episode.after, episode.after_n = new_level, len(after)
            if abs(new_level - episode.before) > abs(episode.reached - episode.before):
                episode.reached = new_level
            if episode.alarms & (episode.alarms - 1) == 0:  # 2, 4, 8: a detector that never rests is told seldom
                self._say(watched, episode, "update", now, episode.reason)
            return
        if watched.signal in FAILURE_SIGNALS and new_level <= level:
            return  # it got better: nobody's alarm
        mode, reason = watched.settings.mode or "notice", described(watched.method, watched.settings)
        if mode == "page":
            may, why = watched.may_page(before, now, page_rate)
            mode = "page" if may else "notice"
            reason = f"{reason}; {why}"
        onset = watched.times[-min(len(after), len(watched.times))]
        watched.episode = episode = _Episode(
            self.identify(watched.signal, "method"),
            "up" if new_level >= level else "down",
            mode, level, len(before), new_level, len(after), onset, reason, new_level,
        )  # fmt: skip
        self._say(watched, episode, "firing", now, reason)

    def _end(self, watched: _Watched, episode: _Episode, now: float) -> None:
        runs = episode.n - QUIET // 2
        level = episode.total / runs
        back = 2.0 * abs(level - episode.before) <= abs(episode.reached - episode.before)
        episode.after, episode.after_n = level, runs
        self._say(watched, episode, "resolved", now, IS_BACK if back else f"{STEADY} {QUIET} runs")
        watched.episode = None

    def _end_gone(self, now: float) -> None:
        for saved in self._gone:
            assert saved.episode is not None
            words = "nothing watches it with a method any more"
            self.emit(self._finding(saved.signal, (), saved.episode, "resolved", now, words))
            self._dropped.append(saved.signal)
        self._gone = []

    def _say(self, watched: _Watched, episode: _Episode, status: FindingStatus, now: float, reason: str) -> None:
        self.emit(self._finding(watched.signal, tuple(watched.examples), episode, status, now, reason))

    def _finding(
        self, signal: str, runs: tuple[str, ...], episode: _Episode, status: FindingStatus, now: float, reason: str
    ) -> Finding:
        is_share = SIGNALS[signal].form == "share"
        return Finding(
            id=self.identify(episode.key, status, episode.alarms),
            incident_key=episode.key,
            status=status,
            time=now,
            signal=signal,
            direction=episode.direction,
            mode=episode.mode,
            owner=self.owner,
            node={"agent": self.agent},
            watched={"agent": self.agent},
            before=episode.before,
            after=episode.after,
            before_n=float(episode.before_n),
            after_n=float(episode.after_n),
            before_bad=episode.before * episode.before_n if is_share else 0.0,
            after_bad=episode.after * episode.after_n if is_share else 0.0,
            onset=episode.onset,
            runs=runs,
            reason=reason,
            unit=_UNITS.get(signal, ""),
        )


def named(settings: Mapping[str, DetectorSettings]) -> dict[str, tuple[Method, DetectorSettings]]:
    """The signals that a method of river's watches; the configuration was checked (`monitor.config.methods`)."""
    found = {}
    for signal, setting in settings.items():
        method = registry.method(setting.method) if setting.method is not None else None
        if method is not None and setting.mode != "off" and signal in READERS:
            found[signal] = (method, setting)
    return found


def described(method: Method, settings: DetectorSettings) -> str:
    """`river.drift.ADWIN with its defaults`."""
    parameters = ", ".join(f"{name} {value}" for name, value in sorted(settings.parameters.items()))
    return f"{method.name} with {parameters or 'its defaults'}"


def made_of(settings: DetectorSettings) -> str:
    """What a detector is built of, as one text."""
    return json.dumps([settings.method, settings.parameters], sort_keys=True)


def change_in(values: Sequence[float]) -> int:
    """Where the mean changed: the cut that parts the values best, by the squared difference of the means over its
    variance under "no change". O(n), and only at an alarm."""
    n, total = len(values), sum(values)
    least = min(_SHORTEST, max(n // 2, 1))
    best, most, so_far = max(n - least, 1), -1.0, 0.0
    for k in range(1, n):
        so_far += values[k - 1]
        if least <= k <= n - least:
            lead = so_far * n - total * k
            gain = lead * lead / (k * (n - k))
            if gain > most:
                best, most = k, gain
    return best


def _save(watched: _Watched) -> _Saved:
    values = river_detectors.packed(watched.watch.values)
    return _Saved(
        watched.signal, watched.made, values, watched.times, watched.examples, watched.runs, watched.first,
        watched.episode,
    )  # fmt: skip


def _view(watched: _Watched, owner: str, now: float, page_rate: float) -> SignalView:
    episode, values = watched.episode, watched.watch.values
    recent = values[-_RECENT:]
    mode, note = watched.settings.mode or "notice", described(watched.method, watched.settings)
    if episode is not None:
        mode, note = episode.mode, f"{episode.reason}; {episode.n} of {QUIET} runs without another alarm"
    elif mode == "page":
        never = watched.needs(now, page_rate)[1]
        mode = "notice" if never else mode
        note = f"{note}; {never or 'whether it pages is counted at an alarm'}"
    return SignalView(
        signal=watched.signal,
        labels={},
        state="firing" if episode is not None else "healthy" if watched.runs >= _RECENT else "warming up",
        level=sum(recent) / len(recent) if recent else episode.after if episode is not None else None,
        reference=episode.before if episode is not None else sum(values) / len(values) if values else None,
        n=float(watched.runs),
        evidence=1.0 if episode is not None else 0.0,
        waiting_for="" if watched.runs >= _RECENT else f"{watched.runs} of {_RECENT} runs",
        mode=mode,
        owner=owner,
        note=note,
    )
