"""One line a system: how each is made from its settings. A fourth is a folder beside these and a line here."""

from collections.abc import Callable

from gateway.settings import Settings, SourceSettings
from gateway.sources.account import AccountSource
from gateway.sources.account.dialect import spoken_by
from gateway.sources.http.exchange import Send
from gateway.sources.reseller import ResellerSource
from gateway.sources.softwareone import SoftwareOneSource
from gateway.users.model import UserSource
from gateway.users.source import Source

__all__ = ["SYSTEMS", "build", "settings_of"]


def _account(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    own = settings.account
    headers = bearer | {f"{own.header_prefix}-Version": own.api_version}
    if own.account_id:
        headers[f"{own.header_prefix}-Account"] = own.account_id
    return AccountSource(send, base_url, headers, spoken_by(own.api_version))


def _softwareone(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    own = settings.softwareone
    return SoftwareOneSource(send, base_url, bearer, own.icon_bytes, own.icon_types)


def _reseller(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    return ResellerSource(send, base_url, bearer, settings.reseller.reseller_id)


SYSTEMS: dict[UserSource, Callable[[Settings, Send, str, dict[str, str]], Source]] = {
    UserSource.ACCOUNT: _account,
    UserSource.SOFTWAREONE: _softwareone,
    UserSource.RESELLER: _reseller,
}


def settings_of(settings: Settings, name: UserSource) -> SourceSettings:
    """The settings of one system."""
    own: SourceSettings = getattr(settings, name.value)
    return own


def build(name: UserSource, settings: Settings, send: Send) -> Source:
    """A configured system, its calls going through `send`."""
    own = settings_of(settings, name)
    if own.base_url is None:
        raise ValueError(f"{name} is not configured")
    bearer = {"Authorization": f"Bearer {own.token.get_secret_value()}"} if own.token else {}
    return SYSTEMS[name](settings, send, str(own.base_url).rstrip("/"), bearer)
