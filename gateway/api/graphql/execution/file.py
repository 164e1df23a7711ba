"""A file of a request, as it stands among the request's variables."""

import weakref

from gateway.users.changes import Icon

__all__ = ["File"]


class File:
    """Leads to a file as long as its request is there: `GraphQLRequest.files` is what keeps it.

    graphql-core keeps the variables of an operation, in a circle, until the garbage collector comes by. A file's
    bytes would stay on the disk until then.
    """

    __slots__ = ("_icon",)

    def __init__(self, icon: Icon) -> None:
        self._icon = weakref.ref(icon)

    def __repr__(self) -> str:
        return "a file"

    def icon(self) -> Icon:
        """The file."""
        icon = self._icon()
        if icon is None:
            raise RuntimeError("the request that had the file is over")
        return icon
