"""What the settings mean for how long users are kept, for operators."""

from collections.abc import Mapping

from gateway.app.sources import BUILDERS, settings_of
from gateway.settings import CredentialMode, Settings
from gateway.settings.names import variable_of
from gateway.users.lifetimes import UNPROVEN_LIFETIME
from gateway.users.model import UserSource

__all__ = ["keep_notes"]


def keep_notes(settings: Settings) -> Mapping[UserSource, str]:
    """Return the sources whose users are kept for a shorter time than is set, with the reason; none if none are kept.

    Whether several replicas run without Redis is in no setting.
    """
    if settings.keep_mode == "off":
        return {}
    notes = {name: _note(settings, name) for name in BUILDERS if settings_of(settings, name).configured}
    return {name: note for name, note in notes.items() if note}


def _note(settings: Settings, name: UserSource) -> str:
    configured = settings_of(settings, name)
    if not configured.keep:
        return f"its users are not kept, because {variable_of((name, 'keep'))} is 0"
    if configured.keep <= UNPROVEN_LIFETIME:
        return ""
    short = f"its users are kept for {UNPROVEN_LIFETIME:g} s at most instead of {configured.keep:g} s"
    if configured.credentials is CredentialMode.FORWARD:
        return f"{short}, because it is called with the credentials of callers"
    if configured.poll_interval is None:
        polling = variable_of((name, "poll_interval"))
        return f"{short}, because nothing proves that its changes are reported: set {polling}"
    return ""
