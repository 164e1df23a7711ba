"""The page that a browser sees at the API's path, and the routes of its assets.

The GraphQL endpoint answers a browser's GET with it. It may live under any prefix: the page names its
assets relative to itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import orjson

from gateway.api.web.http import Route, WebRequest, WebResponse

DIST: Final = Path(__file__).parent / "dist"
TITLE: Final = "User gateway"

# No inline script or style, no eval, no worker and no other origin: GraphiQL's bundle needs none of
# them (src/no-inline-styles.ts says how). data: pictures are those of its style sheet. 'self' lets
# connect-src reach the API by HTTP and, in current browsers, by WebSocket.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_PAGE_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    # It names the assets of one build, so it is asked for anew; and one path answers HTML and JSON.
    ("Cache-Control", "no-cache"),
    ("Vary", "Accept"),
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the npm build left in dist/: the page that loads it, and each asset by its name."""

    html: str
    assets: dict[str, Path]

    @classmethod
    def load(cls, dist: Path = DIST) -> Self | None:
        """Read dist/, or return None when GraphiQL has not been built."""
        try:
            entry = orjson.loads((dist / "manifest.json").read_bytes())
        except FileNotFoundError:
            return None
        return cls(
            html=_html(script=entry["script"], style=entry["style"], icon=entry["icon"]),
            assets={path.name: path for path in dist.iterdir() if path.suffix in _CONTENT_TYPES},
        )


class GraphiQL:
    """GraphiQL for an API at `path`: the page there, and its assets beside it.

    With the API at /graphql they are at /graphiql/…. What dist/ holds is looked up once, here.
    """

    def __init__(self, path: str = "/graphql") -> None:
        self._bundle = Bundle.load()
        self._assets = f"{path.rpartition('/')[0]}/graphiql/"

    def routes(self) -> list[Route]:
        """Where the assets are."""
        return [Route(("GET",), f"{self._assets}{{asset}}", self._asset)]

    def page(self) -> WebResponse:
        """The page, or one that says how to build it where that has not been done."""
        if self._bundle is None:
            return WebResponse(503, _NOT_BUILT.encode(), _PAGE_HEADERS)
        return WebResponse(200, self._bundle.html.encode(), _PAGE_HEADERS)

    async def _asset(self, request: WebRequest) -> WebResponse:
        # A look-up among known names: nothing in a URL is ever made into a path.
        path = self._bundle.assets.get(request.path.removeprefix(self._assets)) if self._bundle else None
        if path is None:
            return WebResponse(404)
        return WebResponse(
            200,
            path.read_bytes(),  # a person opens GraphiQL now and then: nothing is gained by keeping it
            (
                ("Content-Type", _CONTENT_TYPES[path.suffix]),
                # The name holds a hash of the content, so neither ever changes.
                ("Cache-Control", "public, max-age=31536000, immutable"),
                ("X-Content-Type-Options", "nosniff"),
            ),
        )


def _html(*, script: str, style: str, icon: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE}</title>
<link rel="icon" href="graphiql/{icon}">
<link rel="stylesheet" href="graphiql/{style}">
<script type="module" src="graphiql/{script}"></script>
</head>
<body>
<div id="graphiql"><p class="placeholder">Loading…</p></div>
<noscript><p class="placeholder">GraphiQL needs JavaScript; the API itself does not.</p></noscript>
</body>
</html>
"""


_NOT_BUILT: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{TITLE}</title>
</head>
<body>
<h1>GraphiQL is not built</h1>
<p>The API itself works: send it queries by POST to this address.</p>
<p>To have GraphiQL here, run <code>make install</code> in the gateway's checkout
(it takes Node and npm from PATH, or brings its own), then start the gateway again.</p>
</body>
</html>
"""
