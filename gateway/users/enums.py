"""The vocabularies of users: their sources, statuses, changes and roles."""

from enum import StrEnum

__all__ = ["OwnerType", "RoleType", "UserChange", "UserSource", "UserStatus"]


class UserSource(StrEnum):
    """The sources of users."""

    ACCOUNT = "account"
    SOFTWAREONE = "softwareone"
    RESELLER = "reseller"


class UserStatus(StrEnum):
    """The status of a user, the same for all sources; `User.source_status` has the value that the source sent."""

    NEW = "new"
    INVITED = "invited"
    INVITATION_EXPIRED = "invitation_expired"
    ACTIVE = "active"
    BLOCKED = "blocked"
    DISABLED = "disabled"
    REMOVED = "removed"


class UserChange(StrEnum):
    """The kinds of event of a user."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class RoleType(StrEnum):
    """The known types of a role of the account source; `Role.source_type` has every value, also unknown ones."""

    ADMIN = "admin"
    USER = "user"
    SCANNER = "scanner"
    SALES_REP = "sales_rep"
    AGENT = "agent"


class OwnerType(StrEnum):
    """The owner of a role: the platform or the account."""

    SYSTEM = "system"
    ACCOUNT = "account"
