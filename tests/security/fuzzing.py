"""How many requests are made up, and which: by variable, so that what failed can be repeated."""

import os
from random import SystemRandom

__all__ = ["REQUESTS", "SEED"]

_GIVEN = os.environ.get("GATEWAY_FUZZ_SEED", "20261122")

REQUESTS = int(os.environ.get("GATEWAY_FUZZ_REQUESTS", "500"))
SEED = SystemRandom().getrandbits(64) if _GIVEN == "random" else int(_GIVEN)
