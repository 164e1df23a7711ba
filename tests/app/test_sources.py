from typing import Any

import pytest

from gateway.app.sources import BUILDERS, build, settings_of
from gateway.settings import AccountSettings, ResellerSettings, Settings, SoftwareOneSettings
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource


@pytest.mark.parametrize(
    ("name", "altered", "url", "headers"),
    [
        (
            UserSource.ACCOUNT,
            {},
            "https://account.test/v1/identity/account-users/u",
            {
                "Authorization": "Bearer a-token",
                "OpenMRP-Version": "1.0.forge-preview.3",
                "OpenMRP-Account": "ac_1",
            },
        ),
        (
            UserSource.ACCOUNT,
            {"header_prefix": "Augno", "api_version": "1.0.forge-preview.1", "account_id": ""},
            "https://account.test/v1/identity/account-users/u",
            {"Authorization": "Bearer a-token", "Augno-Version": "1.0.forge-preview.1"},
        ),
        (
            UserSource.SOFTWAREONE,
            {},
            "https://market.test/public/v1/accounts/users/u",
            {"Authorization": "Bearer s-token"},
        ),
        (
            UserSource.RESELLER,
            {},
            "https://proxy.test/reseller/v3/resellers/t/users/u",
            {"Authorization": "Bearer r-token"},
        ),
    ],
)
async def test_build(source: Any, fake: Any, *, name: UserSource, altered: Any, url: str, headers: Any) -> None:
    """Each source is called below its base URL, also with a path prefix, with its credential only."""
    fake.respond({"id": "u"})
    await source(name, **altered).fetch_user(Ref(Kind.USER, name, "u", "t"), frozenset())
    [request] = fake.requests
    assert request.url == url
    assert dict(request.headers) == headers


def test_every_source(settings: Settings, fake: Any) -> None:
    """Every source can be built, and has its name."""
    assert set(BUILDERS) == set(UserSource)
    assert [build(name, settings, fake.send).name for name in BUILDERS] == list(BUILDERS)


@pytest.mark.parametrize("name", list(UserSource))
def test_not_configured(name: UserSource, fake: Any) -> None:
    """A source without base URL and token is not configured and cannot be built."""
    bare = Settings(account=AccountSettings(), softwareone=SoftwareOneSettings(), reseller=ResellerSettings())
    assert not settings_of(bare, name).configured
    with pytest.raises(ValueError, match="not configured"):
        build(name, bare, fake.send)
