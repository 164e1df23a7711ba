"""Persons: the user records of all sources that have one e-mail address."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.errors import BadUserInput, GatewayError
from gateway.freshness import StaleRead
from gateway.kit.tasks import gather
from gateway.users.kept.stale_page import StalePage, unavailable_sources
from gateway.users.model import User
from gateway.users.reading import UserReader
from gateway.users.source import Source, UserQuery
from gateway.users.unavailable import Unavailable, raise_most_relevant

__all__ = ["FoundPerson", "Person", "find_person"]

_LIMIT = 1000  # one call for each source, as large as it allows: some match addresses less exactly than the gateway


@dataclass(frozen=True, slots=True)
class Person:
    """The users with an e-mail address, compared without case, by source, and the sources that failed."""

    email: str
    users: tuple[User, ...]
    unavailable: tuple[Unavailable, ...]


@dataclass(frozen=True, slots=True)
class FoundPerson(Person):
    """A person, and the lists of users whose lifetime had ended."""

    stale: tuple[StaleRead, ...] = ()


async def find_person(
    reads: UserReader, sources: Iterable[Source], email: str, needs: frozenset[str], *, include_removed: bool = False
) -> FoundPerson:
    """Return all users with that address, by one call to each source at the same time.

    Raises:
        BadUserInput: a source does not accept the address.
        GatewayError: no source responded; the most relevant of their errors.
    """
    query = UserQuery(email=email, include_removed=include_removed)
    called = list(sources)
    results = await gather(_find_users(reads, source, query, needs) for source in called)
    errors = [result for result in results if isinstance(result, GatewayError)]
    for error in errors:
        if isinstance(error, BadUserInput):
            raise _at_argument(error)
    if errors and len(errors) == len(results):
        raise_most_relevant(errors)
    found = [result for result in results if not isinstance(result, GatewayError)]
    users = [user for of_source, _ in found for user in of_source]
    stale = [page for _, page in found if page is not None]
    failed = {
        source.name: result for source, result in zip(called, results, strict=True) if isinstance(result, GatewayError)
    }
    reads_past_lifetime = tuple(page.read for page in stale)
    return FoundPerson(email, tuple(users), unavailable_sources(failed, stale), reads_past_lifetime)


def _at_argument(error: BadUserInput) -> BadUserInput:
    """Return the error with the address at its argument, if the error names the field of a filter instead."""
    if error.violations and all(violation.path[:1] == ("filter",) for violation in error.violations):
        return BadUserInput.of([replace(violation, path=violation.path[1:]) for violation in error.violations])
    return error


async def _find_users(
    reads: UserReader, source: Source, query: UserQuery, needs: frozenset[str]
) -> tuple[list[User], StalePage | None] | GatewayError:
    """Return the users, and how stale they are if the lifetime of the list has ended; or the error."""
    try:
        window, _, stale = await reads.page(source, query, None, _LIMIT, needs)
    except GatewayError as error:
        return error
    return [user for user in window.items if query.matches(user)], stale
