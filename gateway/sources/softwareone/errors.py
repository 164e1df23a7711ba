"""The Marketplace's error bodies: problem details, with `errors` in two documented forms (softwareone.md, 3)."""

from typing import Any

from gateway.errors import GatewayError, Violation
from gateway.sources.http.errors import SourceErrorBody, refusal
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import CamelWire, Shape

__all__ = ["softwareone_refusal"]


class _Problem(CamelWire, frozen=True):
    type: str | None = None
    title: str | None = None
    detail: str | None = None
    trace_id: str | None = None
    errors: Any = None


_PROBLEM = Shape(_Problem)
_OURS = {
    "firstname": "first_name",
    "lastname": "last_name",
    "email": "email",
    "phone": "phone",
    "settings": "settings",
    "currentaccount": "current_account_id",
    "icon": "icon",
}


def softwareone_refusal(request: Request, response: Response) -> GatewayError:
    """The error that a status outside 2xx means."""
    try:
        problem = _PROBLEM.read(response.body)
    except ValueError:
        return refusal(request, response, SourceErrorBody())
    texts = (problem.detail or problem.title, *_messages(problem.errors))
    message = " ".join(dict.fromkeys(text for text in texts if text))
    return refusal(
        request,
        response,
        SourceErrorBody(
            documented=problem.title is not None or problem.detail is not None or problem.errors is not None,
            code=_code(problem.type),
            message=message or None,
            request_id=problem.trace_id,
            violations=_violations(problem.errors) if request.writes else (),  # a question has no fields of a change
        ),
    )


def _code(link: str | None) -> str | None:
    """The vendor's own code is the fragment of its link; a link to a section of the HTTP standard is none."""
    page, _, fragment = (link or "").partition("#")
    return None if "://tools.ietf.org/" in page else fragment or None


def _pairs(errors: Any) -> list[tuple[str, str]]:
    """Property and message, from either form: an object of lists, or a list of objects with `properties`."""
    if isinstance(errors, dict):
        return [
            (str(name), str(text))
            for name, texts in errors.items()
            for text in (texts if isinstance(texts, list) else [texts])
            if text is not None
        ]
    if isinstance(errors, list):
        return [
            (str(name), str(one.get("message") or "is refused"))
            for one in errors
            if isinstance(one, dict)
            for name in _listed(one.get("properties"))
        ]
    return []


def _listed(properties: Any) -> list[Any]:
    return properties if isinstance(properties, list) and properties else [""]


def _messages(errors: Any) -> list[str]:
    return [text for _, text in _pairs(errors)]


def _violations(errors: Any) -> tuple[Violation, ...]:
    """Those of fields that a change of ours has."""
    named = ((_field(name), text) for name, text in _pairs(errors))
    return tuple(Violation(("change", field), text) for field, text in named if field)


def _field(name: str) -> str | None:
    """Ours of a path with dots: of a nested one, or below a form's `User.Data` (softwareone.md, 2.4)."""
    return next((_OURS[part] for part in name.lower().split(".") if part in _OURS), None)
