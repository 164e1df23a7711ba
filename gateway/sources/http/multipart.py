"""Encodes a multipart/form-data body; its length is known before its first byte is sent."""

import secrets
from collections.abc import Iterator, Mapping

from gateway.sources.http.exchange import Content, Multipart, Part

__all__ = ["EncodedMultipart"]


class EncodedMultipart:
    """A multipart body as `size` bytes. A part that is not in memory is read while it is sent."""

    __slots__ = ("_pieces", "content_type", "size")

    def __init__(self, multipart: Multipart) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._pieces: list[bytes | Content] = []
        in_memory = b""
        for part in multipart.parts:
            in_memory += f"--{boundary}\r\n{_part_headers(part)}\r\n".encode()
            if isinstance(part.content, bytes):
                in_memory += part.content
            else:
                self._pieces += (in_memory, part.content)
                in_memory = b""
            in_memory += b"\r\n"
        self._pieces.append(in_memory + f"--{boundary}--\r\n".encode())
        self.size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in self._pieces)

    def chunks(self) -> Iterator[bytes]:
        """Return all bytes, in order; it can be called several times."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.chunks()

    def with_content_type(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return these headers with the content type of this body."""
        others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return others | {"Content-Type": self.content_type}


def _part_headers(part: Part) -> str:
    filename = "" if part.filename is None else f'; filename="{_escape(part.filename)}"'
    disposition = f'form-data; name="{_escape(part.name)}"{filename}'
    return f"Content-Type: {part.content_type}\r\nContent-Disposition: {disposition}\r\n"


def _escape(text: str) -> str:
    # As browsers do it: names are not percent-encoded, since servers do not decode them here. Only a line break is
    # escaped, because it would end the header.
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("\r", "%0D").replace("\n", "%0A")
