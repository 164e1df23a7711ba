"""The interleavings find defects: each one that is planted in the gateway, within a few thousand of them."""

from itertools import chain

import pytest
from users.kept.interleavings import Interleavings
from users.kept.planted import PLANTED, Patch

_SEEDS = 10_000


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_found(planted: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that is planted is found, in as many interleavings as are run by default."""
    planted(monkeypatch)
    # The seed that found it before comes first: the others are needed when the interleavings have changed.
    failure = Interleavings().find_failure(chain([PLANTED[planted]], range(_SEEDS)))
    assert failure is not None, f"not found: {planted.__doc__}"
    assert "ViolationError" in failure.splitlines()[-1], failure
