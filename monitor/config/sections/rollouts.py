"""The `rollout:` sections: what their types cannot say."""

from __future__ import annotations

from monitor.config.document import Mapping, Sequence, clip
from monitor.config.meaning import Checked


def check_rollouts(checked: Checked) -> None:
    """Rollouts: only agents have versions side by side; a signal is named once."""
    for place, component in checked.components():
        if component.rollout is not None and component.kind != "agent":
            checked.document.report(
                place.keys_at["rollout"], (*place.path, "rollout"), "only an agent has versions side by side"
            )
    for holder in (checked.document.root, *checked.document.root.get("components", ())):
        own = holder.get("rollout")
        signals = own.get("signals") if isinstance(own, Mapping) else None
        if not isinstance(signals, Sequence):
            continue
        for index, name in enumerate(signals):
            if name in list(signals)[:index]:
                span, path = signals.items_at[index], (*signals.path, signals.indexes[index])
                checked.document.report(span, path, f"`{clip(str(name))}` stands here twice")
