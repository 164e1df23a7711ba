"""The sandbox compared with the published OpenAPI documents (docs/upstreams/*.openapi.json)."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import pytest
import schemathesis
from schemathesis.checks import CHECKS

from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, SandboxOptions, SandboxServer

UPSTREAMS = Path(__file__).parents[2] / "docs" / "upstreams"

# Known differences between the sandbox and the documents, each with its reason.
DEVIATIONS = {
    "account: rate limit": "429 is tested elsewhere; here the sandbox has no rate limits",
    "account: required fields of request bodies": (
        "`preferences`, `name`, … are listed as required of create and update; the pages call them optional and so "
        "does the sandbox. Only the generator's bodies are affected"
    ),
}

ACCOUNT_CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
HEADERS = {
    "Authorization": f"Bearer {ACCOUNT_TOKEN}",
    "OpenMRP-Version": "1.0.forge-preview.1",
    "OpenMRP-Account": ACCOUNT_ID,
}
# No user has a generated id, so most of them are replaced by one of these.
KNOWN_IDS = {
    "account-users": [*LANDMARKS["account"].values()],
    "roles": ["rl_admin0000000", "rl_newcomer0000", "rl_planner00000"],
}

# All these roles have users; a role without users is deleted in tests/sandbox/test_account.py.
NEVER_SEEN = {("DELETE", "/v1/identity/roles/{id}", 200)}
_seen: set[tuple[str, str, int]] = set()


def document(source: str) -> dict[str, Any]:
    """Return the OpenAPI document of a source."""
    loaded: dict[str, Any] = json.loads((UPSTREAMS / f"{source}.openapi.json").read_text())
    return loaded


account_schema = schemathesis.openapi.from_dict(document("account"))
marketplace = document("softwareone")


@pytest.fixture(scope="module")
def account_url() -> Iterator[str]:
    """The account URL of a sandbox in another thread: schemathesis blocks while it waits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    sandbox = SandboxServer(
        SandboxOptions(rate_limits=False, dialect="april")
    )  # the server that the document describes
    # Started in that thread: an SQLite connection belongs to the thread that opened it.
    asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result(30)
    yield sandbox.account_url
    asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@account_schema.parametrize()
@hypothesis.settings(
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_account_answers_generated_requests_as_documented(case, account_url):
    """Every request that the document of April allows gets a documented status and schema."""
    if "id" in (case.path_parameters or {}):
        ids = KNOWN_IDS["roles" if "/roles" in case.path else "account-users"]
        # Not random: the same case always gets the same id, and some cases keep the generated one.
        index = len(case.path_parameters["id"]) % (len(ids) + 1)
        if index < len(ids):
            case.path_parameters["id"] = ids[index]
    response = case.call(base_url=account_url, headers=HEADERS)
    case.validate_response(response, checks=CHECKS.get_by_names(ACCOUNT_CHECKS))
    _seen.add((case.method, case.path, response.status_code))


def test_generated_requests_met_every_documented_success(request):
    """The test above made each operation succeed: responses that are all errors would prove nothing."""
    documented = {
        (method.upper(), path, int(status))
        for path, methods in account_schema.raw_schema["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status.startswith("2")
    }
    operations = sum(map(len, account_schema.raw_schema["paths"].values()))
    test = test_account_answers_generated_requests_as_documented.__name__
    if sum(item.name.startswith(f"{test}[") for item in request.session.items) < operations:
        pytest.skip("not all of the generated requests were selected")
    assert documented - _seen == NEVER_SEEN


def validator(status: str, method: str, path: str) -> jsonschema.Draft4Validator:
    """Return the validator of one documented response of the marketplace."""
    content = marketplace["paths"][path][method]["responses"][status]["content"]["application/json"]
    schema = to_json_schema(content["schema"]) | {"components": to_json_schema(marketplace["components"])}
    return jsonschema.Draft4Validator(schema)


def to_json_schema(schema: Any) -> Any:
    """Convert an OpenAPI schema to JSON Schema, which has no `nullable`."""
    if isinstance(schema, list):
        return [to_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: to_json_schema(value) for name, value in schema.items()}
    if result.pop("nullable", False) is True and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


@pytest.mark.parametrize(
    ("request_line", "path", "status"),
    [
        ("GET /users?limit=100&select=audit", "/users", 200),
        ("GET /users?limit=0", "/users", 200),
        ("GET /users/USR-0000-0001?select=audit", "/users/{id}", 200),
        ("GET /users/USR-0000-0003", "/users/{id}", 200),
        ("GET /users/USR-0000-0000", "/users/{id}", 404),
        ("PUT /users/USR-0000-0001", "/users/{id}", 200),
        ("PUT /users/USR-0000-0000", "/users/{id}", 404),
        ("POST /users/USR-0000-0001/block", "/users/{id}/block", 200),
        ("POST /users/USR-0000-0001/unblock", "/users/{id}/unblock", 400),
    ],
)
async def test_softwareone_answers_as_documented(world, request_line, path, status):
    """Every response of the marketplace has the documented schema of its status."""
    method, target = request_line.split(" ")
    response = await world.softwareone(method, target, json={"firstName": "Ada"} if method == "PUT" else None)
    assert response.status == status
    path_template = f"/public/v1/accounts{path}"
    check = validator(str(status), method.lower(), path_template)
    check.validate(response.json)
    if status == 200:
        # The schema refuses additional keys, so that the check above is effective.
        assert not check.is_valid(response.json | {"surplus": 1})


@pytest.mark.parametrize("source", ["account", "softwareone"])
def test_every_documented_fact_names_its_source(source):
    """Each operation and schema of a document names its source, and each such source has a date."""
    facts = document(source)
    operations = [operation for methods in facts["paths"].values() for operation in methods.values()]
    assert all("x-source" in fact for fact in [*operations, *facts["components"]["schemas"].values()])
    assert set(named_sources(facts)) == set(facts["x-sources"])
    for index in facts["x-sources"].values():
        assert date.fromisoformat(index.get("date") or index["read"]) <= datetime.now(tz=UTC).date()


def named_sources(facts: Any) -> Iterator[str]:
    """Yield every `x-source` of a document, at any depth."""
    if isinstance(facts, list):
        facts = dict(enumerate(facts))
    if isinstance(facts, dict):
        if "x-source" in facts:
            yield facts["x-source"]
        for value in facts.values():
            yield from named_sources(value)


def test_every_deviation_has_its_reason():
    """Each deviation from the documents has a reason."""
    assert all(reason for reason in DEVIATIONS.values())
