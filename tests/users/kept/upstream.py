"""A source in memory with a history: its users, its roles, and the credentials that it accepts."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from users.kept.history import Change, History, Row
from users.kept.scheduling import Scheduler

from gateway.users.model import Department, Timestamp, User, UserSource

__all__ = ["CONFIGURED", "Traits", "Upstream"]

CONFIGURED = "configured"
_NAMES = ("anna", "bert", "cleo")


class Traits(NamedTuple):
    """How a source behaves; each is true of one of the three at least.

    `whole_seconds`: of its times. `dated_changes`: its responses to changes have the time of the change.
    `complete_rows` and `complete_changes`: they have everything that a user has who is read. `silent_changes`: it
    confirms changes without a body. `deletions`: whether its feed reports them, reports that something was deleted, or
    is silent.
    `by_address`: it accepts an e-mail address as an id.
    """

    name: UserSource = UserSource.ACCOUNT
    tenant: str = ""
    whole_seconds: bool = True
    dated_changes: bool = True
    complete_rows: bool = True
    complete_changes: bool = True
    silent_changes: bool = False
    deletions: str = "reported"
    by_address: bool = False


class Upstream:
    """The source itself: its users, its roles, its trail of changes, and the credentials that it accepts."""

    def __init__(self, traits: Traits, scheduler: Scheduler, random: Random) -> None:
        self.traits = traits
        self.scheduler = scheduler
        self.random = random
        now = scheduler.clock.now
        rows = [Row(f"u{n}", random.choice(_NAMES), f"m{n}@x.example", now - 100 + n) for n in range(1, 4)]
        self.history = History(rows, now)
        self.roles = History([Row("r1", "reader", "", now), Row("r2", "writer", "", now)], now)
        self.created = len(rows)
        self.addresses = len(rows)
        self.refused: set[str] = set()
        self.max_lag = 0.0
        self.longest = 0.0  # seconds that a read was under way
        self.under_way: list[Callable[[], Any]] = []  # changes whose callers no longer wait

    @property
    def now(self) -> float:
        return self.scheduler.clock.now

    def change(self, source_id: str, kind: str, row: Row | None) -> int:
        """Make a change, which the feed reports after a while."""
        lag = self.random.random() * self.max_lag
        reported: float | None = self.now + lag
        if row is None and self.traits.deletions == "silent":
            reported = None
        index = self.history.add(Change(self.now, source_id, kind, reported), row)
        self.scheduler.note("source", index, kind, row or source_id)
        return index

    def update_randomly(self) -> int | None:
        """Change, create or delete a user, as somebody does behind the back of the gateway."""
        random, present = self.random, self.history.present
        chance = random.random()
        if chance < 0.15 or not present:
            return self.create(random.choice(_NAMES))
        rows = list(present.values())
        row = rows[0] if random.random() < 0.5 else random.choice(rows)  # the users that are read most often, too
        if chance < 0.3:
            return self.change(row.source_id, "deleted", None)
        if chance < 0.45:
            return self.change(row.source_id, "updated", row._replace(email=self.new_address(), changed_at=self.now))
        name = random.choice([name for name in _NAMES if name != row.name])
        return self.change(row.source_id, "updated", row._replace(name=name, changed_at=self.now))

    def create(self, name: str, email: str = "") -> int:
        """Create a user."""
        self.created += 1
        source_id = f"u{self.created}"
        return self.change(source_id, "created", Row(source_id, name, email or self.new_address(), self.now))

    def new_address(self) -> str:
        """Return an address that no user has: a new one, or one that a user once had."""
        if self.random.random() < 0.5:
            taken = {row.email for row in self.history.present.values()}
            free = [f"m{n}@x.example" for n in range(1, self.addresses + 1) if f"m{n}@x.example" not in taken]
            if free:
                return self.random.choice(free)
        self.addresses += 1
        return f"m{self.addresses}@x.example"

    def user(self, row: Row, needs: frozenset[str], credential: str, *, dated: bool = True) -> User:
        """Return a user as the source shows it to a credential."""
        return User(
            self.traits.name,
            row.source_id,
            self.traits.tenant,
            name=row.name,
            email=row.email,
            company=credential,
            department=Department("d1", "one") if "department" in needs else None,
            created_at=_timestamp(900.0 + int(row.source_id[1:]), whole=True),
            updated_at=_timestamp(row.changed_at, whole=self.traits.whole_seconds) if dated else None,
        )


@lru_cache(maxsize=4096)
def _timestamp(at: float, *, whole: bool) -> Timestamp:
    moment = datetime.fromtimestamp(1_780_000_000 + (int(at) if whole else at), UTC)
    return Timestamp(moment.isoformat().replace("+00:00", "Z"))
