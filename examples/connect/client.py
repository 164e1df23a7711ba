"""Reads and changes a user by Connect with JSON: any HTTP client can. `python client.py http://127.0.0.1:8000`."""

import json
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def call(gateway: str, method: str, **message: Any) -> Any:
    """Call a method, and return the response message, or the error.

    Raises:
        URLError: the gateway cannot be reached.
    """
    url = f"{gateway}/usergateway.v1.UserService/{method}"
    headers = {"Content-Type": "application/json", "Connect-Timeout-Ms": "10000"}
    try:
        with urlopen(Request(url, json.dumps(message).encode(), headers)) as response:  # noqa: S310 - the caller's URL
            return json.load(response)
    except HTTPError as error:
        with error:
            return json.load(error)


def main() -> None:
    """Print a user, the result of a change, and an error."""
    [gateway] = sys.argv[1:]
    ada = {"id": "acus_adalovelace1", "source": "USER_SOURCE_ACCOUNT"}
    user = call(gateway, "GetUser", **ada, readMask="name,role.name")
    print(user["name"], user["role"]["name"])
    cleared: dict[str, Any] = {"user": {}, "updateMask": "departmentId"}  # in the mask without a value: cleared
    print(call(gateway, "UpdateAccountUser", id=ada["id"], **cleared, readMask="name,department"))
    refused = call(gateway, "UpdateAccountUser", id=ada["id"], user={"email": "no"})
    print(refused["code"], refused["details"][0]["debug"]["reason"])


if __name__ == "__main__":
    main()
