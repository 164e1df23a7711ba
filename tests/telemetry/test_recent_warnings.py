"""The warnings that a gateway keeps in memory."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gateway import Gateway, Settings
from gateway.operation import operation
from gateway.telemetry.recent_warnings import RecentWarnings

LOG = logging.getLogger("gateway.tests")


@pytest.fixture
def warnings() -> Iterator[RecentWarnings]:
    kept = RecentWarnings()
    kept.install()
    yield kept
    kept.remove()


def test_kept_warnings(warnings: RecentWarnings) -> None:
    """Warnings and errors are kept with their values, the request id and the type of the exception, latest first."""
    LOG.info("all is well")
    LOG.warning("the %s source failed", "account", extra={"source": "account"})
    with operation(request_id="req-1"):
        LOG.error("defect", exc_info=ValueError("secret"))
    defect, failed = warnings.latest()
    assert (failed.level, failed.logger, failed.message) == ("warning", "gateway.tests", "the account source failed")
    assert failed.fields == {"source": "account"}
    assert (defect.level, defect.error, defect.fields) == ("error", "ValueError", {"request_id": "req-1"})
    assert "secret" not in repr(defect)


def test_bound(warnings: RecentWarnings) -> None:
    """Equal warnings are one with a count, and of different ones 50 are kept."""
    for _ in range(3):
        LOG.warning("again")
    assert [(each.message, each.count) for each in warnings.latest()] == [("again", 3)]
    for number in range(60):
        LOG.warning(f"warning {number} of %s", 60)  # noqa: G004 - each text is of another kind for the limit of the log
    assert len(warnings.latest()) == 50


async def test_of_a_gateway() -> None:
    """A gateway keeps warnings from its start to its end."""
    before = list(logging.getLogger("gateway").handlers)
    async with Gateway(Settings()) as gateway:
        LOG.warning("while it runs")
    LOG.warning("after its end")
    assert [each.message for each in gateway._warnings.latest()] == ["while it runs"]
    assert logging.getLogger("gateway").handlers == before


EMBEDDED = """
import logging
from gateway.telemetry.recent_warnings import RecentWarnings
kept = [RecentWarnings(), RecentWarnings()]
for each in kept:
    each.install()
logging.getLogger("gateway.x").warning("first")
logging.basicConfig(format="configured: %(message)s")
logging.getLogger("gateway.x").warning("second")
"""


def test_embedding() -> None:
    """Keeping warnings does not change what the embedding program writes: once by its log, or once by Python."""
    process = subprocess.run([sys.executable, "-c", EMBEDDED], capture_output=True, text=True, check=True)
    assert process.stderr == "first\nconfigured: second\n"
