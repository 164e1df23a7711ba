"""The number of generated requests and their seed, from environment variables, so that failures can be repeated."""

import os
from random import SystemRandom

__all__ = ["REQUESTS", "SEED"]

_GIVEN = os.environ.get("TEST_FUZZ_SEED", "20261122")

REQUESTS = int(os.environ.get("TEST_FUZZ_REQUESTS", "500"))
SEED = SystemRandom().getrandbits(64) if _GIVEN == "random" else int(_GIVEN)
