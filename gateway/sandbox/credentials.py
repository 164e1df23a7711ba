"""The public, fake credentials of the sandbox, in the documented formats."""

import secrets

__all__ = [
    "ACCOUNT_ID",
    "ACCOUNT_TOKEN",
    "RESELLER_ID",
    "RESELLER_TOKEN",
    "SOFTWAREONE_TOKEN",
    "WEBHOOK_TOKEN",
    "AcceptedTokens",
]

ACCOUNT_TOKEN = "mrp_sk_test_sandbox0sandbox0sandbox0"  # noqa: S105 (public)
ACCOUNT_ID = "ac_sandbox00001"
SOFTWAREONE_TOKEN = "idt:TKN-0000-0001:sandboxsandboxsandboxsandbox"  # noqa: S105 (public)
RESELLER_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzYW5kYm94In0.c2FuZGJveA"  # noqa: S105 (public)
RESELLER_ID = "5a4db0c5-0000-4000-8000-00000000f00d"
WEBHOOK_TOKEN = "sandbox-webhook-token"  # noqa: S105 (public)


class AcceptedTokens:
    """The tokens that each source accepts: at first the one above. All have the same permissions."""

    def __init__(self) -> None:
        self.other_client = secrets.token_urlsafe()
        """A token for requests past the gateway, which every source accepts always."""
        self._tokens = {
            "account": {ACCOUNT_TOKEN},
            "softwareone": {SOFTWAREONE_TOKEN},
            "reseller": {RESELLER_TOKEN},
        }

    def accept(self, source: str, token: str) -> None:
        """Accept a further token from now on."""
        self._tokens[source].add(token)

    def refuse(self, source: str, token: str) -> None:
        """Refuse a token from now on, as after it expired or was revoked."""
        self._tokens[source].discard(token)

    def includes(self, source: str, token: str) -> bool:
        """Return whether a source accepts a token."""
        return token in self._tokens[source] or token == self.other_client
