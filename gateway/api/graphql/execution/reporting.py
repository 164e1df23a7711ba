"""Fills the report of a request with what its document states."""

import re

from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.trusted.naming import sha256_of
from gateway.telemetry.report import RequestReport

__all__ = ["report_invalid", "report_operation"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of an operation, as GraphQL has it; others are not reported
_MAX_NAME = 128  # characters of the name of an operation that are reported: a document may have 50,000


def report_operation(prepared: Prepared, request: GraphQLRequest, report: RequestReport) -> None:
    """Fill in the operation of a valid document. Its name is a label of metrics if the document is a trusted one."""
    report.operation = prepared.name[:_MAX_NAME]
    report.kind, report.document = prepared.kind, prepared.sha256
    if request.trusted and prepared.name:
        report.label = prepared.name
    if prepared.kind == "subscription":
        report.calls = None  # there may be thousands, and the calls are those of their events


def report_invalid(request: GraphQLRequest, report: RequestReport) -> None:
    """Fill in what leads to a document that is not valid: its hash, and the name that the client sent beside it."""
    report.document = sha256_of(request.query)
    if request.operation_name is not None and _NAME.fullmatch(request.operation_name):
        report.operation = request.operation_name[:_MAX_NAME]
