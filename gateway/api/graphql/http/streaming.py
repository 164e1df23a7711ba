"""HTTP responses that are sent in parts: their header fields, and the framing of `multipart/mixed`."""

from gateway.api.graphql.http.accept import MediaType
from gateway.api.web.http import UNBUFFERED

__all__ = ["MultipartBody", "streaming_headers"]


def streaming_headers(content_type: str) -> tuple[tuple[str, str], ...]:
    """Return the header fields of a response that is sent in parts."""
    return (("Content-Type", content_type), *UNBUFFERED)


class MultipartBody:
    """The bytes of a `multipart/mixed` body (RFC 2046, 5.1) whose parts are JSON.

    `start` comes before the first part, `end` after the last one. Each part is sent with the delimiter behind it,
    without which clients do not know that it is complete. JSON has no line breaks, so it never contains a delimiter.
    """

    def __init__(self, media_type: MediaType, boundary: str) -> None:
        name, _, format_parameter = media_type.partition("; ")
        self.headers = streaming_headers(f'{name}; boundary="{boundary}"; {format_parameter}')
        self.start = f"\r\n--{boundary}".encode()
        self.end = b"--\r\n"

    def part(self, json: bytes) -> bytes:
        """Return one part."""
        return b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + json + self.start
