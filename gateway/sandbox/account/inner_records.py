"""The endpoints of locations, machines, scanning stations and production steps: list and get of each.

See docs/upstreams/account.md, "Nested records".
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.sandbox.account.context import AccountContext, Endpoint
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.inner_views import (
    LOCATION_INCLUDES,
    MACHINE_INCLUDES,
    STATION_INCLUDES,
    STEP_INCLUDES,
    location_view,
    machine_view,
    station_view,
    step_view,
)
from gateway.sandbox.account.paging import page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.clock import go_time
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Row, Select

__all__ = ["INNER_RECORDS", "InnerRecords"]


@dataclass(frozen=True, slots=True)
class InnerRecords:
    """The records of one kind: how they are named in errors, what can be included, and how one is rendered."""

    kind: str
    label: str
    includes: tuple[str, ...]
    view: Callable[..., dict[str, Any]]

    def list(self) -> Endpoint:
        """Return the endpoint of the list."""

        def endpoint(context: AccountContext) -> SandboxResponse:
            parameters = Parameters(context.request.query, scalars=("cursor", "limit", "q"), includes=self.includes)
            limit = parameters.integer("limit", 100, 1, 1000)
            query = Select("*", "inner_records").where("kind = ?", self.kind)
            if text := parameters.search():
                query.where("instr(fold(name), ?)", text.casefold())
            return SandboxResponse.json(
                page(
                    context.store,
                    query,
                    context.request,
                    lambda row: self._render(row, parameters.includes),
                    table="inner_records",
                    limit=limit,
                    april=context.april,
                )
            )

        return endpoint

    def get(self) -> Endpoint:
        """Return the endpoint of one record."""

        def endpoint(context: AccountContext) -> SandboxResponse:
            parameters = Parameters(context.request.query, includes=self.includes)
            row = context.store.row("SELECT * FROM inner_records WHERE kind = ? AND id = ?", self.kind, context.id)
            if row is None:
                raise ApiError(404, "resource_not_found", f"{self.label} not found.")
            return SandboxResponse.json(self._render(row, parameters.includes))

        return endpoint

    def _render(self, row: Row, included: Collection[str]) -> dict[str, Any]:
        times = {"created_at": go_time(row["created_at"]), "updated_at": go_time(row["updated_at"])}
        return self.view(orjson.loads(row["record"]), included, times)


INNER_RECORDS: Mapping[str, InnerRecords] = {
    "/v1/operations/locations": InnerRecords("location", "Location", LOCATION_INCLUDES, location_view),
    "/v1/operations/machines": InnerRecords("machine", "Machine", MACHINE_INCLUDES, machine_view),
    "/v1/operations/scanning-stations": InnerRecords("station", "Scanning station", STATION_INCLUDES, station_view),
    "/v1/operations/production-steps": InnerRecords("step", "Production step", STEP_INCLUDES, step_view),
}
"""The records by the path of their list."""
