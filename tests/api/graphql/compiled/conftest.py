import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _dropped_coroutines() -> Iterator[None]:
    """Collect the coroutines that graphql-core drops below a propagated null before the next test begins."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
