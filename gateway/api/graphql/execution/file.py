"""An uploaded file among the variables of a request."""

import weakref

from gateway.users.icons import Icon

__all__ = ["File"]


class File:
    """Refers to an uploaded file weakly; `GraphQLRequest.files` keeps it alive.

    graphql-core keeps the variables of an operation in a reference cycle until the garbage collector runs. By a strong
    reference the file would stay on the disk until then.
    """

    __slots__ = ("_icon",)

    def __init__(self, icon: Icon) -> None:
        self._icon = weakref.ref(icon)

    def __repr__(self) -> str:
        return "a file"

    def icon(self) -> Icon:
        """Return the file.

        Raises:
            RuntimeError: its request no longer exists.
        """
        icon = self._icon()
        if icon is None:
            raise RuntimeError("the request of this file no longer exists")
        return icon
