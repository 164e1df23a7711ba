"""What departments and roles of the account source leave out, and the calls that it takes."""

from collections import Counter
from typing import Any

import pytest

ADA = "acus_adalovelace1"
STEPS = "scanningStations {{ nodes {{ productionSteps {{ nodes {{ {} }} }} }} }}"
INNER = """{
  departments(first: 20) { nodes { name
    location { name parent { name type } children { nodes { name parent { sourceId } } } }
    machines { nodes { serialNumber department { name } } }
    scanningStations { nodes { type department { name } productionSteps { nodes {
      name laborRate production department { name notes } machines { serialNumber department { name } }
      inSteps { name allowances } scanningStation { type }
    } } } }
  } }
  roles(first: 20) { nodes {
    owner { account { portal { slug } defaultShippingAddress { geolocation { country } } } }
  } }
}"""

# Each record that is inside another one, with the other one inside it again, and what is inside that.
AROUND = f"""{{ user(id: "{ADA}", source: ACCOUNT) {{ department {{
  location {{ name parent {{ children {{ nodes {{ name parent {{ children {{ nodes {{ name }} }} }} }} }} }} }}
  machines {{ nodes {{ name department {{ location {{ name }} machines {{ nodes {{ name }} }} }} }} }}
  scanningStations {{ nodes {{ name
    department {{ location {{ name }} scanningStations {{ nodes {{ name }} }} }}
    productionSteps {{ nodes {{ name scanningStation {{ productionSteps {{ nodes {{ name }} }} }} }} }}
  }} }}
}} }} }}"""


@pytest.mark.parametrize(
    ("selection", "calls"),
    [
        ("platformUser { sourceId createdAt } department { notes updatedAt }", 1),
        ("role { owner { account { name createdAt } } }", 2),
        ("role { owner { account { portal { slug } branding { websiteUrl } defaultBillingAddress { phone } } } }", 3),
        ("department { location { name createdAt } }", 2),
        ("department { location { parent { name } children { nodes { name parent { name } } } } }", 3),
        ("department { location { parent { name createdAt parent { name } } } }", 4),
        ("department { scanningStations { nodes { type department { name notes } } } }", 2),
        (f"department {{ {STEPS.format('name levelingFactor scanningStation { name labelSize }')} }}", 3),
        (f"department {{ {STEPS.format('notes laborRate consumptions machines { name } department { id }')} }}", 4),
        (f"department {{ {STEPS.format('machines { name serialNumber notes } outSteps { name }')} }}", 5),
    ],
)
async def test_calls_of_a_user(fresh: Any, selection: str, calls: int) -> None:
    """What is selected is looked up, by one call for each kind of record and level, and nothing else."""
    world = await fresh()
    planner = f'mutation {{ updateAccountUser(id: "{ADA}", input: {{roleId: "rl_planner00000"}}) {{ id }} }}'
    await world.data(planner)  # a role of the account, not of the platform
    await world.forget()
    data = await world.data(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ {selection} }} }}')
    assert data["user"]
    seen = [(call["path"], call["query"]) for call in await world.calls()]
    assert len(seen) == calls, seen


async def test_everything_inside_departments_and_roles(fresh: Any) -> None:
    """All that departments and roles leave out is there, for the calls of a few lists."""
    world = await fresh()
    data = await world.data(INNER)
    departments = data["departments"]["nodes"]
    assert all(department["location"]["parent"]["type"] == "building" for department in departments)
    inner = [
        (department["name"], record)
        for department in departments
        for name in ("machines", "scanningStations")
        for record in department[name]["nodes"]
    ]
    assert inner
    assert all(record["department"]["name"] == name for name, record in inner)
    steps = [step for _, record in inner for step in record.get("productionSteps", {}).get("nodes", [])]
    assert {step["department"]["name"] for step in steps} <= {department["name"] for department in departments}
    assert all(step["production"]["produced_item"]["sku"] for step in steps)
    assert any(step["laborRate"] for step in steps)
    assert any(step["inSteps"][0]["allowances"] == "0.15" for step in steps if step["inSteps"])
    assert any(machine["department"]["name"] for step in steps for machine in step["machines"])
    accounts = [role["owner"]["account"] for role in data["roles"]["nodes"] if role["owner"]["account"]]
    assert accounts
    assert all(account["portal"]["slug"] == "lovelace-looms" for account in accounts)
    assert all(account["defaultShippingAddress"]["geolocation"]["country"] == "NL" for account in accounts)
    paths = Counter(call["path"].rpartition("/")[2] for call in await world.calls())
    assert paths == {
        "departments": 2,
        "roles": 1,
        "locations": 1,
        "scanning-stations": 1,
        "machines": 1,
        "production-steps": 1,
        "ac_sandbox00001": 1,
    }


def names(listed: Any) -> list[str]:
    """Return the names of the records of a list inside a record."""
    return [record["name"] for record in listed["nodes"]]


async def test_a_record_inside_the_one_that_it_contains(fresh: Any) -> None:
    """A record is the same one level up and two levels further down, and takes no further call there."""
    world = await fresh()
    department = (await world.data(AROUND))["user"]["department"]
    location, machines, stations = (department[name] for name in ("location", "machines", "scanningStations"))
    parts = location["parent"]["children"]
    assert all(names(listed) for listed in (parts, machines, stations))
    assert all(names(part["parent"]["children"]) == names(parts) for part in parts["nodes"])
    for listed, name in ((machines, "machines"), (stations, "scanningStations")):
        for record in listed["nodes"]:
            assert record["department"]["location"]["name"] == location["name"]
            assert names(record["department"][name]) == names(listed)
    for station in stations["nodes"]:
        steps = station["productionSteps"]
        assert all(names(step["scanningStation"]["productionSteps"]) == names(steps) for step in steps["nodes"])
    paths = [call["path"].rpartition("/")[2] for call in await world.calls()]
    assert len(paths) == 5, paths


async def test_nothing_is_looked_up_unless_it_is_selected(fresh: Any) -> None:
    """Departments with the names of all that is in them take one call."""
    world = await fresh()
    await world.data(
        """{ departments { nodes { name notes createdAt location { name type updatedAt }
        machines { nodes { name serialNumber notes department { name } } }
        scanningStations { nodes { name type labelSize materialCheckRequired department { name } } } } } }"""
    )
    assert [call["path"] for call in await world.calls()] == ["/v1/operations/departments"]


async def test_a_missing_permission_fails_the_field_alone(fresh: Any) -> None:
    """If the token may not read locations, only the fields that need them are null, each with the error."""
    world = await fresh()
    await world.fault(source="account", kind="status", status=403, path="/v1/operations/locations", times=9)
    selection = "department { name location { name parent { name } } }"
    result = await world.graphql(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ {selection} }} }}')
    location = result["data"]["user"]["department"]["location"]
    assert (bool(location["name"]), location["parent"]) == (True, None)
    [error] = result["errors"]
    assert error["path"] == ["user", "department", "location", "parent"]
    assert error["extensions"]["code"] == "SOURCE_CREDENTIALS"


async def test_a_server_without_an_endpoint(fresh: Any) -> None:
    """Where the source has no endpoint for what is in an account, it is null without an error."""
    world = await fresh()
    await world.fault(source="account", kind="status", status=404, path="/v1/identity/accounts/", times=9)
    data = await world.data("{ roles { nodes { owner { account { name portal { slug } } } } } }")
    accounts = [role["owner"]["account"] for role in data["roles"]["nodes"] if role["owner"]["account"]]
    assert accounts
    assert all(account["name"] and account["portal"] is None for account in accounts)
