"""What several sections of the status page have: tables, lists of figures, and badges of states."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.api.web.status.html import Html, element

__all__ = ["badge", "failure_class", "figure_list", "table_of"]

_STATES: Final = {
    "ready": "good",
    "closed": "good",
    "not ready": "bad",
    "open": "bad",
    "stopping": "warn",
    "half_open": "warn",
    "error": "bad",
    "critical": "bad",
    "warning": "warn",
}
_POOR: Final = 0.05  # the share of failures from which a figure is marked


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[str] = ()) -> Html:
    """Return a table; the columns of `numbers` are aligned at their right ends."""
    classes = ["number" if heading in set(numbers) else "name" for heading in headings]
    return element(
        "div",
        element(
            "table",
            element(
                "thead",
                element(
                    "tr",
                    *(
                        element("th", heading, class_=class_, scope="col")
                        for heading, class_ in zip(headings, classes, strict=True)
                    ),
                ),
            ),
            element(
                "tbody",
                *(
                    element(
                        "tr",
                        *(
                            element("td", cell, class_=class_, data_heading=heading)
                            for heading, class_, cell in zip(headings, classes, row, strict=True)
                        ),
                    )
                    for row in rows
                ),
            ),
        ),
        class_="scrolled",
    )


def figure_list(figures: Iterable[tuple[str, str, str | None]]) -> Html:
    """Return a list of figures: the name, the value, and the class of a value that is marked."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value, class_=class_)) for name, value, class_ in figures),
    )


def badge(state: str, text: str | None = None) -> Html:
    """Return a badge with the state, or with a text for it, in the color of the state."""
    return element("span", text or state, class_=f"state {_STATES.get(state, 'quiet')}")


def failure_class(failed: int, count: int) -> str | None:
    """Return the class of a share of failures, if there are so many that it is marked."""
    return "bad" if count and failed / count >= _POOR else None
