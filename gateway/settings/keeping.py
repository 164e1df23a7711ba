"""What the settings mean for how long users are kept, for operators."""

from collections.abc import Mapping

from gateway.settings.names import variable_of
from gateway.settings.sources import CredentialMode, SourceSettings
from gateway.settings.tree import Settings

__all__ = ["keep_notes"]


def keep_notes(settings: Settings, unproven: float) -> Mapping[str, str]:
    """Return the sources whose users are kept for a shorter time than is set, with the reason; none if none are kept.

    `unproven` are the seconds for which users are kept at most where nobody reports the changes of their source.
    Whether several replicas run without Redis is in no setting.
    """
    if settings.keep_mode == "off":
        return {}
    groups = {name: getattr(settings, name) for name in Settings.model_fields}
    sources = {name: group for name, group in groups.items() if isinstance(group, SourceSettings) and group.configured}
    notes = {name: _note(name, source, unproven) for name, source in sources.items()}
    return {name: note for name, note in notes.items() if note}


def _note(name: str, configured: SourceSettings, unproven: float) -> str:
    if not configured.keep:
        return f"its users are not kept, because {variable_of((name, 'keep'))} is 0"
    if configured.keep <= unproven:
        return ""
    short = f"its users are kept for {unproven:g} s at most instead of {configured.keep:g} s"
    if configured.credentials is CredentialMode.FORWARD:
        return f"{short}, because it is called with the credentials of callers"
    if configured.poll_interval is None:
        polling = variable_of((name, "poll_interval"))
        return f"{short}, because nothing proves that its changes are reported: set {polling}"
    return ""
