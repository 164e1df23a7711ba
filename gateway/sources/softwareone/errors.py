"""Parses the error bodies of the softwareone source: problem details, with `errors` in two documented forms.

See docs/upstreams/softwareone.md, "Errors".
"""

import re
from typing import Any

from gateway.errors import GatewayError, Rule, Violation
from gateway.sources.http.errors import SourceErrorBody, source_error
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import CamelWire, JsonDecoder
from gateway.violations import Bound

__all__ = ["softwareone_error"]


class _Problem(CamelWire, frozen=True):
    type: str | None = None
    title: str | None = None
    detail: str | None = None
    status: Any = None
    trace_id: str | None = None
    errors: Any = None


_PROBLEM = JsonDecoder(_Problem)
_STATUSES = frozenset({400, 401, 403, 404, 409, 415, 500, 501, 504})
_FIELDS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "email": "email",
    "phone": "phone",
    "prefix": "prefix",
    "number": "number",
    "settings": "settings",
    "culturecode": "culture_code",
    "languagecode": "language_code",
    "currentaccount": "current_account_id",
    "icon": "icon",
}
# Messages of ASP.NET's validation attributes, which its own and most other services keep as they are.
_RULES = (
    (re.compile(r"\bfield is required\b"), Rule.REQUIRED),
    (re.compile(r"\bmaximum length of '?(?P<max>\d+)"), Rule.MAX_LENGTH),
    (re.compile(r"\bminimum length of '?(?P<min>\d+)"), Rule.MIN_LENGTH),
    (re.compile(r"\bnot a valid e-mail address\b"), Rule.FORMAT),
    (re.compile(r"\bJSON value could not be converted\b"), Rule.TYPE),
)


def softwareone_error(request: Request, response: Response) -> GatewayError:
    """Return the exception for a status outside 2xx."""
    try:
        problem = _PROBLEM.decode(response.body)
    except ValueError:
        return source_error(request, response, SourceErrorBody())
    texts = (problem.detail or problem.title, *_messages(problem.errors))
    message = " ".join(dict.fromkeys(text for text in texts if text))
    return source_error(
        request,
        response,
        SourceErrorBody(
            documented=response.status in _STATUSES and _is_problem(problem, response.status),
            code=_code(problem.type),
            message=message or None,
            request_id=problem.trace_id,
            violations=_violations(problem.errors)
            if request.writes
            else (),  # the parameters of a read are no fields of the caller's input
        ),
    )


def _is_problem(problem: _Problem, status: int) -> bool:
    described = problem.title is not None or problem.detail is not None or problem.errors is not None
    return described and (problem.status is None or problem.status == status)


def _code(link: str | None) -> str | None:
    """Return the code of an error: the fragment of a link to the documentation, but not of one to an RFC."""
    page, _, fragment = (link or "").partition("#")
    return None if "://tools.ietf.org/" in page else fragment or None


def _pairs(errors: Any) -> list[tuple[str, str]]:
    """Return pairs of property and message from either form: an object of lists, or a list with `properties`."""
    if isinstance(errors, dict):
        return [
            (str(name), str(text))
            for name, texts in errors.items()
            for text in (texts if isinstance(texts, list) else [texts])
            if text is not None
        ]
    if isinstance(errors, list):
        return [
            (str(name), str(error.get("message") or "is rejected by the SoftwareOne source"))
            for error in errors
            if isinstance(error, dict)
            for name in _names(error.get("properties"))
        ]
    return []


def _names(properties: Any) -> list[Any]:
    return properties if isinstance(properties, list) and properties else [""]


def _messages(errors: Any) -> list[str]:
    return [text for _, text in _pairs(errors)]


def _violations(errors: Any) -> tuple[Violation, ...]:
    """Return the violations of those fields that the changes of the gateway have."""
    named = ((_path(name), text) for name, text in _pairs(errors))
    return tuple(Violation(("change", *path), text, *_rule(text)) for path, text in named if path)


def _path(name: str) -> tuple[str, ...]:
    """Return the path of a field by the gateway's names. What is sent may be nested, or begin with `User.Data`.

    See docs/upstreams/softwareone.md, "User.Data".
    """
    names = [_FIELDS[part] for part in name.lower().split(".") if part in _FIELDS]
    return tuple(names[: 2 if names[:1] in (["phone"], ["settings"]) else 1])


def _rule(text: str) -> tuple[Rule, dict[str, Bound]]:
    """Return the rule of a message, with its bounds, if it is one of ASP.NET's own messages."""
    for pattern, rule in _RULES:
        if found := pattern.search(text):
            numbers = {name: int(number) for name, number in found.groupdict().items() if number is not None}
            return rule, {**numbers, **({"format": "email"} if rule is Rule.FORMAT else {})}
    return Rule.SOURCE, {}
