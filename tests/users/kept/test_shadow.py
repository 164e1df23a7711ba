"""How what is kept is compared with what was read, in shadow mode."""

import pytest

from gateway.users.ids import Ref
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords
from gateway.users.kept.shadow import ShadowCounts, ShadowResult, compare
from gateway.users.model import Timestamp, User, UserSource
from gateway.users.reading import KeepMode, UserReader
from gateway.users.source import Source, Sources, Window

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def user(name: str, seconds: float | None = 0, source_id: str = "1") -> User:
    """Return a user who was changed so many seconds before `NOW`."""
    changed = None if seconds is None else Timestamp(f"2025-12-31T23:59:{60 - seconds:04.1f}Z")
    return User(source=UserSource.ACCOUNT, source_id=source_id, name=name, updated_at=changed)


@pytest.mark.parametrize(
    ("kept", "read", "result", "outdated"),
    [
        (user("Ada", 30), user("Ada", 30), ShadowResult.SAME, 0),
        (None, None, ShadowResult.SAME, 0),
        (user("Ada", 30), user("Ada King", 4), ShadowResult.OLDER, 4),
        # It was right when it was read 20 seconds ago, whatever the clock of the source shows.
        (user("Ada", 50), user("Ada King", 40), ShadowResult.OLDER, 20),
        (user("Ada", 30), user("Ada King", 30), ShadowResult.DIFFERENT, 20),
        (user("Ada", 30), user("Ada King", None), ShadowResult.DIFFERENT, 20),
        (user("Ada", None), user("Ada King", 5), ShadowResult.DIFFERENT, 20),
        (user("Ada", 30), None, ShadowResult.OLDER, 20),
        (None, user("Ada", 1), ShadowResult.OLDER, 1),
        (Window((user("Ada", 30),)), Window((user("Bob", 3, "2"), user("Ada", 30))), ShadowResult.OLDER, 3),
        (Window((user("Ada", 3), user("Bob", 9, "2"))), Window((user("Ada", 3),)), ShadowResult.DIFFERENT, 20),
        (Window(()), Window(()), ShadowResult.SAME, 0),
        (Window((user("Ada", 3),)), Window(()), ShadowResult.DIFFERENT, 20),
    ],
)
def test_comparison(kept: object, read: object, result: ShadowResult, outdated: float) -> None:
    """A later time of change in what was read tells since when what is kept is out of date; else it is its age."""
    assert compare(kept, read, age=20, now=NOW) == (result, pytest.approx(outdated))


def test_a_time_that_is_none() -> None:
    """What the source sends in place of a time is no time of change."""
    kept = user("Ada", 30)
    read = User(source=UserSource.ACCOUNT, source_id="1", name="Ada King", updated_at=Timestamp("yesterday"))
    assert compare(kept, read, age=20, now=NOW).result is ShadowResult.DIFFERENT


async def test_a_change_that_is_reported_during_the_read() -> None:
    """What would have been given is compared also if its change becomes known before the source responds."""
    times, found = [0.0], []
    users = [user("Ada", 30), user("Ada", 30), user("Ada King", 18), user("Ada King", 18)]

    class Changing(Source):
        name = UserSource.ACCOUNT

        async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:  # noqa: ARG002 - of the protocol
            read = users.pop(0)
            if read.name == "Ada King":
                reader.kept_users.source_changed(self.name)
            return read

    reader = UserReader(
        Sources([Changing()]),
        KeptRecords(clock=lambda: times[-1]),
        Lifetimes({UserSource.ACCOUNT: KeepRule(5, 0)}),
        mode=KeepMode.SHADOW,
        observe_shadow=lambda *compared: found.append(compared[1:]),
        now=lambda: NOW - 20 + times[-1],
    )
    for time in (0.0, 1.0, 3.0, 4.0):
        times.append(time)
        await reader.user(user("Ada").ref, frozenset())
    # The third read would have got the name of three seconds ago, a second after its change. The fourth is a miss.
    assert found == [(ShadowResult.SAME, 0), (ShadowResult.OLDER, 1)]


def test_counts() -> None:
    """Comparisons are counted by result, with the longest time out of date."""
    counts = ShadowCounts()
    for result, outdated in ((ShadowResult.SAME, 0.0), (ShadowResult.OLDER, 7.0), (ShadowResult.OLDER, 2.0)):
        counts.add(result, outdated)
    assert (dict(counts.results), counts.longest) == ({ShadowResult.SAME: 1, ShadowResult.OLDER: 2}, 7.0)
