"""What a client is told whose document is named, and not known by that name."""

from gateway.errors import BadUserInput, Forbidden

__all__ = ["NotTrusted", "PersistedQueryNotFound", "PersistedQueryNotSupported"]


class PersistedQueryNotFound(BadUserInput):
    """No document is known by that name here; the client may send its text.

    The message is the protocol: Apollo's clients and urql look for exactly this word, and send the text then.
    """

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class PersistedQueryNotSupported(BadUserInput):
    """No document is known by any name here; the client should stop naming them. The message is the protocol."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class NotTrusted(Forbidden):
    """Only documents of the manifest are executed, and this is none of them."""

    def __init__(self) -> None:
        super().__init__("Only trusted documents are executed here, and this is none of them.")
