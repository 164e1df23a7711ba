"""The page of GraphiQL, and the routes of its assets.

The GraphQL endpoint returns the page to a browser's GET; the root of the site leads to it. It works under any path
prefix, since the page refers to its assets by relative paths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import orjson

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["CONTENT_SECURITY_POLICY", "DIST", "TITLE", "Bundle", "GraphiQL"]

DIST: Final = Path(__file__).parent / "dist"
TITLE: Final = "User gateway"

# No inline script or style, no eval, no worker and no other origin: GraphiQL's bundle needs none of them (see
# src/no-inline-styles.ts). The data: images are those of its style sheet. With 'self' connect-src permits the API by
# HTTP and, in current browsers, by WebSocket.
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
    # The page refers to the assets of one build, so it is revalidated; and one path serves HTML and JSON.
    ("Cache-Control", "no-cache"),
    ("Vary", "Accept"),
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The build in dist/: the HTML of the page that loads it, its icon, and the path of each asset by its name."""

    html: str
    icon: bytes
    assets: dict[str, Path]

    @classmethod
    def load(cls, dist: Path = DIST, *, credentials: Sequence[str] = ()) -> Self | None:
        """Read dist/; return None if GraphiQL has not been built."""
        try:
            entry = orjson.loads((dist / "manifest.json").read_bytes())
        except FileNotFoundError:
            return None
        return cls(
            html=_html(script=entry["script"], style=entry["style"], icon=entry["icon"], credentials=credentials),
            icon=(dist / entry["icon"]).read_bytes(),
            assets={path.name: path for path in dist.iterdir() if path.suffix in _CONTENT_TYPES},
        )


class GraphiQL:
    """GraphiQL for an API at `path`: the page there, and its assets beside it.

    If the API is at /graphql, the assets are at /graphiql/…. dist/ is read once, by the constructor. `credentials` are
    the names of the headers that callers authenticate with: the page shows them in its Headers editor, to be filled in.
    """

    def __init__(self, path: str = "/graphql", *, credentials: Sequence[str] = ()) -> None:
        self._bundle = Bundle.load(credentials=credentials)
        self._folder, _, self._name = path.rpartition("/")
        self._assets = f"{self._folder}/graphiql/"

    @property
    def icon(self) -> bytes | None:
        """The SVG of the page's icon; None if GraphiQL has not been built."""
        return self._bundle.icon if self._bundle else None

    def routes(self) -> list[Route]:
        """Return the route of the assets, and the one that redirects from the folder of the page to it."""
        return [
            Route(("GET",), f"{self._assets}{{asset}}", self._asset),
            Route(("GET",), f"{self._folder}/", self._redirect),
        ]

    def page(self) -> WebResponse:
        """Return the page; if GraphiQL has not been built, one with instructions to build it."""
        if self._bundle is None:
            return WebResponse(503, _NOT_BUILT.encode(), _PAGE_HEADERS)
        return WebResponse(200, self._bundle.html.encode(), _PAGE_HEADERS)

    async def _redirect(self, _request: WebRequest) -> WebResponse:
        return WebResponse(302, b"", (("Location", self._name),))  # relative: the prefix of the site is not known here

    async def _asset(self, request: WebRequest) -> WebResponse:
        # Looked up among the names of assets: no part of a URL becomes a part of a path.
        path = self._bundle.assets.get(request.path.removeprefix(self._assets)) if self._bundle else None
        if path is None:
            return WebResponse(404)
        return WebResponse(
            200,
            path.read_bytes(),  # not cached: people open GraphiQL too rarely
            (
                ("Content-Type", _CONTENT_TYPES[path.suffix]),
                # The name contains a hash of the content, so the content of a name never changes.
                ("Cache-Control", "public, max-age=31536000, immutable"),
                ("X-Content-Type-Options", "nosniff"),
            ),
        )


def _html(*, script: str, style: str, icon: str, credentials: Sequence[str]) -> str:
    data = f' data-credentials="{" ".join(credentials)}"' if credentials else ""
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
<div id="graphiql"{data}><p class="placeholder">Loading…</p></div>
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
(it takes Node and npm from PATH, or installs them), then start the gateway again.</p>
</body>
</html>
"""
