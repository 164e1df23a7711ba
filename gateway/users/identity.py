"""Checks that what a source returned is what was requested: a source, or a proxy before it, may mix up responses."""

from gateway.errors import Origin, Outcome, SourceInvalidResponse
from gateway.kit.source_titles import titled
from gateway.users.changes import CreateAccountUser
from gateway.users.ids import Ref
from gateway.users.model import Department, Organization, Role, User, UserSource

__all__ = ["check_changed", "check_created", "check_record", "check_user"]


def check_user(ref: Ref, user: User | None) -> User | None:
    """Return the user that was read, if it is the one of the reference, by its id or its e-mail address.

    Raises:
        SourceInvalidResponse: it is another user.
    """
    # The first comparison is enough in nearly all cases, and cheap.
    if user is None or user.source_id == ref.source_id or _is(user, ref):
        return user
    raise SourceInvalidResponse(
        f"The {titled(ref.source)} source returned another user than the one that was requested.",
        origin=Origin(source=ref.source),
    )


def check_record(ref: Ref, record: Role | Department | Organization | None) -> Role | Department | Organization | None:
    """Return the record that was read, if it is the one of the reference; a record without an id may be.

    Raises:
        SourceInvalidResponse: it is another record.
    """
    if record is None or not record.source_id or record.source_id.casefold() == ref.source_id.casefold():
        return record
    raise SourceInvalidResponse(
        f"The {titled(ref.source)} source returned another {ref.kind} than the one that was requested.",
        origin=Origin(source=ref.source),
    )


def check_changed(user: User, *refs: Ref) -> User:
    """Return the user after a change, if it is the target, by one of its references before and after the change.

    Raises:
        SourceInvalidResponse: it is another user, so the outcome is unknown.
    """
    for ref in refs:
        if user.source_id == ref.source_id or _is(user, ref):  # the first comparison is enough in nearly all cases
            return user
    raise SourceInvalidResponse(
        f"The {titled(user.source)} source returned another user than the one to be changed.",
        origin=Origin(source=user.source),
        outcome=Outcome.UNKNOWN,
    )


def check_created(user: User, change: CreateAccountUser) -> User:
    """Return a new user, if it has the e-mail address and the user name that were given, as far as it shows them.

    Raises:
        SourceInvalidResponse: it is another user, so the outcome is unknown.
    """
    given = ((change.email, user.email), (change.username, user.username))
    if all(not wanted or found is None or wanted.casefold() == found.casefold() for wanted, found in given):
        return user
    raise SourceInvalidResponse(
        f"The {UserSource.ACCOUNT} source returned another user than the one to be created.",
        origin=Origin(source=UserSource.ACCOUNT),
        outcome=Outcome.UNKNOWN,
    )


def _is(user: User, ref: Ref) -> bool:
    """Return whether that is the user. Without case: GUIDs are written in both cases, and so are e-mail addresses."""
    return ref.source_id.casefold() in {user.source_id.casefold(), (user.email or "").casefold()}
