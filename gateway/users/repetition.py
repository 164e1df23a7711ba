"""What to do with a change that is repeated under its key after its source may have executed it.

A source that recognises keys (account) executes a repeated change once. But it may have executed the first one without
storing a response, and then refuses the second one because of the first: such a refusal is settled by reading the user.
The other sources would execute the change again, over whatever somebody else has changed in the meantime: so the user
is read before anything is sent.

Between reading and sending somebody may change the user, and the first request may still be under way: no source
offers a conditional request that would exclude it.
"""

import time

from gateway.errors import Conflict, GatewayError, NotFound, Origin, Outcome, Rule, Violation
from gateway.kit.source_titles import titled
from gateway.users.changes import Change, CreateAccountUser
from gateway.users.comparison import ChangeComparison, compare
from gateway.users.identity import check_user
from gateway.users.ids import Kind, Ref
from gateway.users.model import Timestamp, User
from gateway.users.planning import EVERYTHING
from gateway.users.source import Source, UserQuery

__all__ = ["ref_after", "settle_before_sending", "settle_refused_creation", "settle_refused_update"]

_NEEDS = EVERYTHING.of(Kind.USER)
_LIMIT = 100  # users that a search may find before the one with exactly that address or user name


def ref_after(ref: Ref, change: Change) -> Ref:
    """Return the reference after the change: SoftwareOne accepts an e-mail address as an id, and that may change."""
    if "@" not in ref.source_id:
        return ref
    email = change.given().get("email")
    return Ref(ref.kind, ref.source, email, ref.tenant) if email else ref


async def settle_before_sending(source: Source, ref: Ref, change: Change, since: float) -> User | GatewayError | None:
    """Return the result of a change that is in doubt since an instant of `time.monotonic`; None: it is to be sent.

    - The user has all given values: the change was executed, or nothing is left to be done.
    - The user was not changed since: it was not executed.
    - Else it may have been executed before somebody else changed the user; to send it again would undo that.

    Raises:
        GatewayError: the user cannot be read.
    """
    user = await _read(source, ref)
    moved = user is None and (after := ref_after(ref, change)) != ref
    if moved:
        user = await _read(source, after)
    if user is None or (moved and not _changed_since(source, user, since)):
        return NotFound(f"The {titled(ref.source)} source has no such user.", origin=Origin(source=ref.source))
    comparison, changed = compare(change, user), _changed_since(source, user, since)
    if _has_all(comparison, changed=changed):
        return user
    return _changed_meanwhile(ref, comparison) if changed else None


async def settle_refused_update(
    source: Source, ref: Ref, change: Change, since: float, refusal: GatewayError
) -> User | GatewayError | None:
    """Return the result of a change that was refused while it was in doubt; None: the outcome stays unknown."""
    try:
        user = await _read(source, ref)
    except GatewayError:
        return None
    if user is None:
        return refusal if isinstance(refusal, NotFound) else None
    changed = _changed_since(source, user, since)
    if _has_all(compare(change, user), changed=changed):
        return user
    return None if changed else refusal


async def settle_refused_creation(
    source: Source, change: CreateAccountUser, since: float, refusal: GatewayError
) -> User | GatewayError | None:
    """Return the result of a creation that was refused while it was in doubt; None: the outcome stays unknown.

    The user is found by its e-mail address, else by its user name. One that was not changed since existed before.
    """
    # A search for an address also finds longer ones; one for a user name also names that contain it.
    query = UserQuery(
        email=change.email or None, search=None if change.email else change.username, include_removed=True
    )
    try:
        window = await source.page_users(query, None, _LIMIT, _NEEDS)
    except GatewayError:
        return None
    user = next((user for user in window.items if _is_the_new_one(user, change)), None)
    if user is None:
        return refusal if window.next is None else None
    if not _changed_since(source, user, since):
        return refusal
    return user if _has_all(compare(change, user), changed=True) else None


def _is_the_new_one(user: User, change: CreateAccountUser) -> bool:
    wanted, found = (change.email, user.email) if change.email else (change.username, user.username)
    return wanted.casefold() == (found or "").casefold()


async def _read(source: Source, ref: Ref) -> User | None:
    """Return the user with all fields; one that SoftwareOne found by e-mail address has but few of them."""
    user = check_user(ref, await source.fetch_user(ref, _NEEDS))
    if user is None or "@" not in ref.source_id:
        return user
    by_id = Ref(ref.kind, ref.source, user.source_id, ref.tenant)
    return check_user(by_id, await source.fetch_user(by_id, _NEEDS))


def _has_all(comparison: ChangeComparison, *, changed: bool) -> bool:
    """Return whether the user has all given values.

    Those that cannot be read were set together with the others, so they are there if the others are, unless the user
    was not changed at all.
    """
    if comparison.differing:
        return False
    return not comparison.incomparable or (changed and bool(comparison.equal))


def _changed_since(source: Source, user: User, since: float) -> bool:
    """Return whether the user may have been changed since an instant of `time.monotonic`, by the source's clock."""
    times = [_end(text) for text in (user.created_at, user.updated_at) if text is not None]
    return not times or max(times) > source.now() - (time.monotonic() - since)


def _end(text: Timestamp) -> float:
    """Return the last instant that a source may have written as this text: it may have left out digits."""
    fraction = text.upper().partition(".")[2]
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    return text.instant().timestamp() + 10.0**-digits


def _changed_meanwhile(ref: Ref, comparison: ChangeComparison) -> Conflict:
    """Return the result of a change that may have been executed and undone; its violations are what the user has."""
    violations = [
        Violation(("change", *path), f'is now "{current}"' if current else "is now empty", Rule.CHANGED)
        for path, current in comparison.differing
    ]
    violations += [
        Violation(("change", name), "cannot be read, so it is not known whether it was set", Rule.CHANGED)
        for name in comparison.incomparable
    ]
    return Conflict(
        f"The user in the {titled(ref.source)} source was changed after this change was sent for the first time, so it "
        "is not sent again. Whether it was executed before that is not known. Read the user, and use a new key to "
        "change it.",
        origin=Origin(source=ref.source),
        violations=violations,
        outcome=Outcome.UNKNOWN,
    )
