"""A multipart form as the wire has it; its length is known before its first byte is written."""

import secrets
from collections.abc import Iterator, Mapping

from gateway.sources.http.exchange import Content, Multipart, Part

__all__ = ["Form"]


class Form:
    """A form's bytes; `size` counts them. What its parts read from elsewhere is read while it is written."""

    __slots__ = ("_pieces", "content_type", "size")

    def __init__(self, form: Multipart) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._pieces: list[bytes | Content] = []
        known = b""
        for part in form.parts:
            known += f"--{boundary}\r\n{_described(part)}\r\n".encode()
            if isinstance(part.content, bytes):
                known += part.content
            else:
                self._pieces += (known, part.content)
                known = b""
            known += b"\r\n"
        self._pieces.append(known + f"--{boundary}--\r\n".encode())
        self.size = sum(len(one) if isinstance(one, bytes) else one.size for one in self._pieces)

    def chunks(self) -> Iterator[bytes]:
        """All of it in order, as often as wanted."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.chunks()

    def headed(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of a call with this body."""
        given = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return given | {"Content-Type": self.content_type}


def _described(part: Part) -> str:
    named = "" if part.filename is None else f'; filename="{_quoted(part.filename)}"'
    disposition = f'form-data; name="{_quoted(part.name)}"{named}'
    return f"Content-Type: {part.content_type}\r\nContent-Disposition: {disposition}\r\n"


def _quoted(text: str) -> str:
    # Names as they are, the way browsers send them: no server undoes a percent-encoding here. Only a line break
    # would end the header, so it is escaped the way they do.
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("\r", "%0D").replace("\n", "%0A")
