"""The Python examples of the SDK's pages run as they stand."""

import re
from pathlib import Path

import forewarn
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("docs/sdk.md", "sdk/README.md")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example, monkeypatch) -> None:
    monkeypatch.setattr(forewarn, "KafkaTransport", lambda **_: forewarn.MemoryTransport())
    if "Emitter(agent=" in example and "transport=" not in example:  # nobody listens in a unit test
        example = example.replace('version="v12"', 'version="v12", transport=forewarn.MemoryTransport(), strict=True')
    scope: dict[str, object] = {"forewarn": forewarn}
    exec(example, scope)
    emitter = scope["emitter"]
    assert isinstance(emitter, forewarn.Emitter)
    assert emitter.close(5.0)
    assert emitter.dropped == {}
