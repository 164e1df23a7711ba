"""The fast path of lookups: reference data that is kept and within its lifetime, for one operation, without a future.

What is past its lifetime is given by `ReferenceData.stale`, where a caller accepts it.
"""

from typing import Any

from gateway.calls import current_calls
from gateway.freshness import ANY_FRESHNESS, current_freshness
from gateway.principal import Principal
from gateway.users.ids import Kind, Ref
from gateway.users.kept.hits import Hits
from gateway.users.kept.record_keys import RecordKey
from gateway.users.kept.records import KeptRecords
from gateway.users.model import UserSource
from gateway.users.source import Sources

__all__ = ["FreshRecords"]


class FreshRecords:
    """Finds records of one kind for one operation, which has one principal and one list of calls.

    The credential and the template of a source are computed once. The caller checks the scope.
    """

    def __init__(
        self,
        records: KeptRecords,
        hits: Hits,
        sources: Sources,
        *,
        kind: Kind,
        needs: frozenset[str],
        principal: Principal,
        lifetime: float,
    ) -> None:
        self._records = records
        self._sources = sources
        self._hits = hits
        self._kind = kind
        self._needs = needs
        self._principal = principal
        self._lifetime = lifetime
        self._credentials: dict[UserSource, str] = {}
        self._reported: set[UserSource] = set()

    def find(self, ref: Ref) -> tuple[Any] | None:
        """Return a record in a tuple, which holds None if its source has none; or None, then nothing was reported."""
        source = ref.source
        credential = self._credentials.get(source)
        if credential is None:
            credential = self._credentials[source] = self._principal.credential(source)
        kept = self._records.find(RecordKey(credential, ref))
        if kept is None or not self._needs <= kept.needs:
            return None
        report = current_freshness.get()
        age = self._records.clock() - kept.read_at
        if not (ANY_FRESHNESS if report is None else report.wanted).accepts(age, self._lifetime):
            return None
        ttl = self._lifetime - age
        if source in self._reported:
            self._hits.repeated(source, ttl, report)
        else:
            self._reported.add(source)
            self._hits.fresh(
                source, self._sources.named(source).directories[self._kind].template, ttl, report, current_calls.get()
            )
        return (kept.value,)
