"""Fetching a key set from its issuer."""

from aiohttp import ClientError, ClientSession, ClientTimeout

__all__ = ["fetch"]

_MOST_BYTES = 256 * 1024
_PATIENCE = ClientTimeout(total=5.0)
_SUCCESS = 200


async def fetch(session: ClientSession, url: str) -> bytes:
    """What is at the address; redirects are not followed, so that it stays with the host that was named.

    Raises:
        OSError: it cannot be had: in words without the address.
    """
    try:
        async with session.get(url, timeout=_PATIENCE, allow_redirects=False) as answer:
            if answer.status != _SUCCESS:
                raise OSError(f"the issuer answered {answer.status}")
            content = await answer.content.read(_MOST_BYTES + 1)
            while not answer.content.at_eof() and len(content) <= _MOST_BYTES:
                content += await answer.content.read(_MOST_BYTES + 1 - len(content))
    except (ClientError, TimeoutError) as error:
        raise OSError(f"the issuer did not answer ({type(error).__name__})") from error
    if len(content) > _MOST_BYTES:
        raise OSError(f"the issuer answered with more than {_MOST_BYTES} bytes")
    return content
