"""Users to whom something happens, and a log to tell it."""

from collections.abc import Callable

import pytest

from gateway.events.memory import MemoryEventLog
from gateway.users.model import User, UserChange, UserSource


@pytest.fixture
def publish() -> Callable[..., None]:
    """Publishes that users were changed: those of these names, in that order."""

    def publish(log: MemoryEventLog, *names: object, source: UserSource = UserSource.ACCOUNT) -> None:
        for name in names:
            log.publish(UserChange.UPDATED, User(source, str(name)))

    return publish
