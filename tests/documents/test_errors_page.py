"""The tables of docs/errors.md are those of the code."""

import re

from conftest import ROOT

from gateway import errors
from gateway.api.graphql.execution.errors import extensions
from gateway.api.graphql.execution.request import refused_for
from gateway.api.grpc.errors import STATUS
from gateway.errors import Code, GatewayError, Origin, Outcome, Rule, SourceTimeout, Violation
from gateway.users.model import UserSource

CLASSES = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, GatewayError) and kind is not errors.SourceError
}
BOUNDS = {"min", "max", "pattern", "format", "values", "type"}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without marks of code."""
    section = (ROOT / "docs/errors.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_codes() -> None:
    """Each code is described, with the statuses that it has, and with whether it is retryable."""
    assert [row[0] for row in rows("Codes")] == [code.value for code in Code]
    for name, _, http, grpc, again, shown in rows("Codes"):
        kind = CLASSES[Code(name)]
        assert http in {"200", str(refused_for(kind("x")).status)}, name
        assert STATUS[kind.code].name == grpc, name
        assert {"yes": True, "no": False}[again] is kind.transient, name
        assert shown


def test_extensions() -> None:
    """Each member of `extensions` is described."""
    origin = Origin(UserSource.ACCOUNT, "c", "m", "r", 504)
    error = SourceTimeout(
        "x", origin=origin, violations=[Violation(("a",), "b")], retry_after=1.0, outcome=Outcome.UNKNOWN
    )
    assert {row[0] for row in rows("Members of extensions")} == set(extensions(error, "r"))


def test_rules() -> None:
    """Each rule is described, with its name in gRPC, and with bounds that rules have."""
    assert [(row[0], row[1]) for row in rows("Violations")] == [(rule.value, rule.name) for rule in Rule]
    assert {bound for row in rows("Violations") for bound in row[2].split(", ") if bound} == BOUNDS
