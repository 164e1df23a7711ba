"""Seeds the account API: the landmarks first, then generated users."""

from typing import Any

from gateway.sandbox.account.department_seeds import DEPARTMENTS, department_rows, inner_rows
from gateway.sandbox.account.role_seeds import ROLES, SCANNER, role_rows
from gateway.sandbox.clock import SECOND
from gateway.sandbox.people import created_at, generate_people, stable_code
from gateway.sandbox.store import Row, Store

__all__ = ["seed"]

_DAY = 86_400 * SECOND
# nickname, name, e-mail, username, status, role, department
_LANDMARKS: tuple[tuple[str, str, str | None, str | None, str, str | None, str | None], ...] = (
    (
        "adalovelace1",
        "Ada Lovelace",
        "ada.lovelace@example.com",
        "ada",
        "active",
        "rl_admin0000000",
        "Assembly",
    ),
    (
        "gracehopper1",
        "Grace Hopper",
        "grace.hopper@example.com",
        None,
        "active",
        "rl_newcomer0000",
        "Finishing",
    ),
    (
        "lockedperson",
        "Alan Turing",
        "alan.turing@example.com",
        None,
        "disabled",
        "rl_viewer000000",
        "Quality",
    ),
    (
        "removeduser1",
        "Rosalind Franklin",
        "rosalind.franklin@example.com",
        None,
        "removed",
        "rl_planner00000",
        None,
    ),
    ("plainperson1", "Edsger Dijkstra", "edsger.dijkstra@example.com", None, "active", None, None),
    ("scanstation1", "Packing Line 1", None, "packing-line-1", "active", SCANNER, "Packing"),
)
_ROLES = [role_id for role_id in ROLES if role_id not in {"rl_admin0000000", SCANNER, "rl_agent0000000"}]


def seed(store: Store, users: int) -> None:
    """Fill the tables with roles, departments and `users` account users."""
    store.insert("roles", role_rows())
    store.insert("departments", department_rows())
    store.insert("inner_records", inner_rows())
    profiles: list[Row] = []
    members: list[Row] = []
    for number, (id_suffix, name, email, username, status, role, department) in enumerate(_LANDMARKS):
        created = _whole_seconds(created_at("account", number, users))
        profiles.append(_profile(id_suffix, name, email, username, created))
        members.append(_member(id_suffix, status, role, department and DEPARTMENTS[department], created))
    # A user of the platform who is not in the account: creating a user with her e-mail address links her.
    unlinked = ("unlinkeduser", "Margaret Hamilton", "margaret.hamilton@example.com", "margaret")
    profiles.append(_profile(*unlinked, created_at("account", 0, users)))
    departments = list(DEPARTMENTS.values())
    for person in generate_people("account", len(_LANDMARKS), users):
        number = person.number
        id_suffix = stable_code("account user", number)
        created = _whole_seconds(person.created)
        scanner = number % 13 == 7  # noqa: PLR2004 - any numbers that mix (one in thirteen)
        profiles.append(
            _profile(id_suffix, f"Station {number}", None, f"station-{number}", created)
            if scanner
            else _profile(id_suffix, person.name, person.email, None, created)
        )
        role = SCANNER if scanner else (_ROLES[number % len(_ROLES)] if number % 8 else None)
        department = departments[number % len(departments)] if number % 6 else None
        status = "removed" if number % 17 == 11 else "disabled" if number % 9 == 4 else "active"  # noqa: PLR2004 - any numbers that mix
        members.append(_member(id_suffix, status, role, department, created))
    store.insert("users", profiles)
    store.insert("account_users", members)


def _profile(id_suffix: str, name: str, email: str | None, username: str | None, created: int) -> Row:
    return {
        "id": f"us_{id_suffix}",
        "email": email,
        "name": name,
        "username": username,
        "email_verified_at": created + _DAY if email and len(email) % 2 == 0 else None,
        "image_url": f"/v1/files/us_{id_suffix}.png" if username == "ada" else None,
        "created_at": created,
        "updated_at": created,
    }


def _member(id_suffix: str, status: str, role: str | None, department: str | None, created: int) -> dict[str, Any]:
    return {
        "id": f"acus_{id_suffix}",
        "user_id": f"us_{id_suffix}",
        "status": status,
        "role_id": role,
        "department_id": department,
        "is_commission_eligible": role == "rl_salesrep0000",
        "last_used_at": created + 5 * _DAY if status == "active" else None,
        "created_at": created,
        "updated_at": created,
    }


def _whole_seconds(timestamp: int) -> int:
    return timestamp // SECOND * SECOND
