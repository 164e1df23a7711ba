"""The public, fake credentials of the sandbox, in the documented formats."""

__all__ = ["ACCOUNT_ID", "ACCOUNT_TOKEN", "RESELLER_ID", "RESELLER_TOKEN", "SOFTWAREONE_TOKEN", "WEBHOOK_TOKEN"]

ACCOUNT_TOKEN = "mrp_sk_test_sandbox0sandbox0sandbox0"  # noqa: S105 (public)
ACCOUNT_ID = "ac_sandbox00001"
SOFTWAREONE_TOKEN = "idt:TKN-0000-0001:sandboxsandboxsandboxsandbox"  # noqa: S105 (public)
RESELLER_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzYW5kYm94In0.c2FuZGJveA"  # noqa: S105 (public)
RESELLER_ID = "5a4db0c5-0000-4000-8000-00000000f00d"
WEBHOOK_TOKEN = "sandbox-webhook-token"  # noqa: S105 (public)
