"""How long what was read from a source may be used, by source, kind of record and credential."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.principal import CONFIGURED_CREDENTIALS
from gateway.users.ids import Kind
from gateway.users.model import User, UserSource

__all__ = ["UNPROVEN_LIFETIME", "KeepRule", "Lifetimes"]

_LIST = 5.0  # seconds
_ABSENCE = 2.0
_NEVER_STALE = frozenset({Kind.ROLE})  # a role grants permissions: an older one could grant too many

UNPROVEN_LIFETIME = 5.0
"""The seconds for which users are kept at most where nobody reports the changes of their source."""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """The seconds for which users of a source are kept while its changes are reported, and if the source fails."""

    keep: float
    if_error: float


class Lifetimes:
    """The lifetimes of all kept records, in seconds.

    `rules` are those of users; of a source without one, no users are kept. `reference` is the lifetime of reference
    data. `is_reported` returns whether the changes of a source are reported to this process at present, `known_until`
    the instant before which all of them are known, on the clock of the records.
    """

    def __init__(
        self,
        rules: Mapping[UserSource, KeepRule] | None = None,
        *,
        reference: float = 0.0,
        is_reported: Callable[[UserSource], bool] = lambda _: False,
        known_until: Callable[[UserSource], float | None] = lambda _: None,
    ) -> None:
        self._rules = {source: rule for source, rule in (rules or {}).items() if rule.keep > 0}
        self._is_reported = is_reported
        self._known_until = known_until
        self.reference = reference

    def keeps_users(self, source: UserSource) -> bool:
        """Return whether users of a source are kept at all."""
        return source in self._rules

    def of_user(self, source: UserSource, credential: str) -> float:
        """Return the lifetime of a user.

        It is long only while changes of the source are reported, and for the configured credential alone: what the
        credential of a caller may see can change without any change of the user.
        """
        keep = self._rules[source].keep
        is_long = keep > UNPROVEN_LIFETIME and credential in CONFIGURED_CREDENTIALS and self._is_reported(source)
        return keep if is_long else min(keep, UNPROVEN_LIFETIME)

    def of_kept_user(self, source: UserSource, credential: str, user: User | None) -> float:
        """Return the lifetime of a user that is kept, or of the fact that there is none."""
        return self.of_absence(source) if user is None else self.of_user(source, credential)

    def if_source_fails(self, source: UserSource, credential: str, read_at: float) -> float:
        """Return the lifetime of a user that was read at an instant, for what is given instead of an error.

        It ends no earlier than its changes were last known. A source that fails reports none: otherwise, all users that
        were read some minutes before could not be given as soon as it fails.
        """
        lifetime, until = self.of_user(source, credential), self._known_until(source)
        if until is None or credential not in CONFIGURED_CREDENTIALS:
            return lifetime
        return max(lifetime, min(self._rules[source].keep, until - read_at))

    def of_absence(self, source: UserSource) -> float:
        """Return for how long it is remembered that there is no such user."""
        return min(self._rules[source].keep, _ABSENCE)

    def of_list(self, source: UserSource) -> float:
        """Return the lifetime of a page of users."""
        return min(self._rules[source].keep, _LIST)

    def if_error(self, source: UserSource) -> float:
        """Return for how long after its lifetime a record may be given where its source fails."""
        rule = self._rules.get(source)
        return 0.0 if rule is None else rule.if_error

    def may_be_stale(self, kind: Kind, credential: str) -> bool:
        """Return whether a record may ever be given past its lifetime.

        One that was read with the credential of a caller may not: the source could have withdrawn the credential.
        """
        return kind not in _NEVER_STALE and credential in CONFIGURED_CREDENTIALS
