"""Python's collector while state is put back."""

from __future__ import annotations

import gc

import pytest

from monitor.saved.collecting import uncollected


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was_found(was_on: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ValueError, match="of no use"), uncollected():
            assert not gc.isenabled()
            raise ValueError("of no use")
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()


def test_what_was_put_back_is_never_looked_at() -> None:
    try:
        with uncollected():
            put_back = [[number] for number in range(100)]
        assert not any(found is put_back for found in gc.get_objects())
    finally:
        gc.unfreeze()
