"""The endpoints of departments: list and get (docs/upstreams/account.md, "Departments")."""

from gateway.sandbox.account.context import AccountContext
from gateway.sandbox.account.department_views import DEPARTMENT_INCLUDES, department_view
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.account.paging import page
from gateway.sandbox.account.parameters import Parameters
from gateway.sandbox.exchange import SandboxResponse
from gateway.sandbox.store import Select

__all__ = ["get_department", "list_departments"]


def list_departments(context: AccountContext) -> SandboxResponse:
    """GET /v1/operations/departments."""
    parameters = Parameters(context.request.query, scalars=("cursor", "limit", "q"), includes=DEPARTMENT_INCLUDES)
    limit = parameters.integer("limit", 100, 1, 1000)
    query = Select("*", "departments")
    if text := parameters.search():
        query.where("instr(fold(name), ?)", text.casefold())
    april, included = context.april, parameters.includes
    return SandboxResponse.json(
        page(
            context.store,
            query,
            context.request,
            lambda row: department_view(row, included, april=april),
            table="departments",
            limit=limit,
            april=april,
        )
    )


def get_department(context: AccountContext) -> SandboxResponse:
    """GET /v1/operations/departments/{id}."""
    parameters = Parameters(context.request.query, includes=DEPARTMENT_INCLUDES)
    row = context.store.row("SELECT * FROM departments WHERE id = ?", context.id)
    if row is None:
        raise ApiError(404, "resource_not_found", "Department not found.")
    return SandboxResponse.json(department_view(row, parameters.includes, april=context.april))
