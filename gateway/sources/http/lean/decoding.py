"""The content codings of responses."""

from gateway.kit.inflate import Inflater

__all__ = ["ACCEPT_ENCODING", "decoder"]

ACCEPT_ENCODING = "gzip, deflate"


def decoder(coding: bytes) -> Inflater | None:
    """Return what decompresses a body with this Content-Encoding, None where it is not compressed.

    Raises:
        ValueError: the coding is not an accepted one.
    """
    name = coding.strip().lower().decode("latin-1")  # as bytes: only ASCII is stripped
    return None if name in {"", "identity"} else Inflater(name)
