"""HTML that is built of elements, so that every text in it is escaped."""

from html import escape

__all__ = ["Html", "element", "joined"]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Html:
    """Return an element; children that are not `Html` are text. None as a child or as an attribute is left out.

    A `_` at the end of an attribute's name is dropped, the others become `-`.
    """
    texts = [
        f' {attribute.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for attribute, value in attributes.items()
        if value is not None
    ]
    return Html(f"<{name}{''.join(texts)}>{joined(*children)}</{name}>")


def joined(*children: object) -> Html:
    """Return the children one after the other."""
    return Html(
        "".join(
            str(child) if isinstance(child, Html) else escape(str(child)) for child in children if child is not None
        )
    )
