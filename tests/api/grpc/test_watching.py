"""A surface's form of an event: made once, however many follow."""

from gateway.api.grpc.watching import Rendered
from gateway.events.log import UserEvent
from gateway.users.model import Timestamp, User, UserChange, UserSource


def event(number: int) -> UserEvent:
    """An event of that number."""
    user = User(UserSource.ACCOUNT, str(number))
    return UserEvent(f"e{number}", UserChange.UPDATED, user, Timestamp("2026-11-22T12:00:00Z"))


def test_once() -> None:
    """An event is rendered when it is first wanted, and the same form is given from then on."""
    rendered: list[str] = []
    form = Rendered(lambda one: rendered.append(one.id) or [one.user.source_id])
    first = form(event(1))
    assert first == ["1"]
    assert form(event(1)) is first
    form(event(2))
    assert rendered == ["e1", "e2"]


def test_what_is_kept_is_bounded() -> None:
    """The oldest forms go, and are made again for who comes late."""
    rendered: list[str] = []
    form = Rendered(lambda one: rendered.append(one.id), most=2)
    for number in (1, 2, 3, 2, 3, 1):
        form(event(number))
    assert rendered == ["e1", "e2", "e3", "e1"]
    assert len(form) == 2
