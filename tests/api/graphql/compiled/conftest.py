import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """graphql-core drops coroutines below a null that came up; here it does so before the next test begins."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
