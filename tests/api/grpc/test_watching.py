"""Rendering of events: once for all streams."""

from gateway.api.grpc.watching import RenderedEvents
from gateway.events.log import UserEvent
from gateway.users.model import Timestamp, User, UserChange, UserSource


def event(number: int) -> UserEvent:
    """Create the event with that number."""
    user = User(UserSource.ACCOUNT, str(number))
    return UserEvent(f"e{number}", UserChange.UPDATED, user, Timestamp("2026-11-22T12:00:00Z"))


def test_an_event_is_rendered_once() -> None:
    """An event is rendered on first use, and the same result is returned after that."""
    rendered: list[str] = []
    render = RenderedEvents(lambda event: rendered.append(event.id) or [event.user.source_id])
    first = render(event(1))
    assert first == ["1"]
    assert render(event(1)) is first
    render(event(2))
    assert rendered == ["e1", "e2"]


def test_the_cache_is_bounded() -> None:
    """The oldest results are removed, and rendered again when they are needed."""
    rendered: list[str] = []
    render = RenderedEvents(lambda event: rendered.append(event.id), size=2)
    for number in (1, 2, 3, 2, 3, 1):
        render(event(number))
    assert rendered == ["e1", "e2", "e3", "e1"]
    assert len(render) == 2
