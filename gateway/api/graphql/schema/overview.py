"""What a reader of the schema sees first: its description, and the order of its types.

GraphiQL and other tools list the types in the order of introspection.
"""

from graphql import DirectiveDefinitionNode, GraphQLSchema, TypeDefinitionNode, parse
from strawberry import Schema

__all__ = ["describe", "printed_in_order"]

_DESCRIPTION = """\
One API over the three places that hold users: the identity API of OpenMRP (`ACCOUNT`), the SoftwareOne Marketplace
(`SOFTWAREONE`) and a Cryptlex reseller account (`RESELLER`).

Start with `users`, the list of all users, newest first; with `user`, one user by its id; or with `person`, all users
that have one e-mail address. Mutations create and change users; the subscription `userChanged` follows changes live.

- **Ids.** The `id` of a record is global: unique over all sources and types, so caches can use it as a key. `sourceId`
  is the id in the source. Arguments for an id take the global one, and that of the source where the source is clear.
- **Null.** A field is null where its source has no value, or where it could not be read; then `errors` has an error
  with the path of the field. One source that is down does not fail the others: lists name it in `unavailable`.
- **Errors.** `extensions.code` of an error is a value of `ErrorCode`, and `extensions.violations` names the fields of
  an input with broken rules.
- **Calls.** A record is read by as few calls as possible. `@cost` and `@listSize` state what an operation costs.
"""

_ROOTS = ("Query", "Mutation", "Subscription")
_ORDER = (
    *_ROOTS,
    *("User", "UserSource", "UserStatus", "PlatformUser", "PhoneNumber", "UserSettings", "MarketplaceAccount", "Actor"),
    *("Organization", "PostalAddress", "Person"),
    *("Role", "RoleType", "RoleOwner", "OwnerType", "Account", "Address", "Geolocation", "Branding", "Portal"),
    *("Department", "Location", "Machine", "ScanningStation", "ProductionStep"),
    *("UserEvent", "UserChange"),
    *(
        "UserFilter",
        "UserConnection",
        "UserEdge",
        "RoleConnection",
        "RoleEdge",
        "DepartmentConnection",
        "DepartmentEdge",
    ),
    *("LocationList", "MachineList", "ScanningStationList", "ProductionStepList"),
    *("PageInfo", "SourceError", "ErrorCode", "Node"),
    *("CreateAccountUserInput", "UpdateAccountUserInput", "UpdateSoftwareOneUserInput", "UpdateResellerUserInput"),
    *("PhoneNumberInput", "UserSettingsInput", "NotificationPreferenceInput", "NotificationType"),
    *("DateTime", "JSON", "Upload"),
)
_INDICES = {name: index for index, name in enumerate(_ORDER)}


def describe(schema: GraphQLSchema) -> None:
    """Give the schema its description, and bring its types into the order for readers."""
    schema.description = _DESCRIPTION
    types = sorted(schema.type_map.items(), key=lambda item: _index(item[0]))
    schema.type_map.clear()
    schema.type_map.update(types)


def printed_in_order(schema: Schema) -> str:
    """Return the schema definition language of the schema: its description, its directives, its types in order.

    Strawberry prints neither a description nor another order than the alphabet.
    """
    text = schema.as_str()
    definitions = parse(text).definitions
    directives = [node for node in definitions if isinstance(node, DirectiveDefinitionNode)]
    types = sorted(
        (node for node in definitions if isinstance(node, TypeDefinitionNode)), key=lambda node: _index(node.name.value)
    )
    roots = "".join(f"  {name.lower()}: {name}\n" for name in _ROOTS)
    parts = [f'"""\n{_DESCRIPTION}"""\nschema {{\n{roots}}}']
    parts += [text[node.loc.start : node.loc.end] for node in (*directives, *types) if node.loc]
    return "\n\n".join(parts) + "\n"


def _index(name: str) -> int:
    """Return the index of a type in the order; types that are not in it, such as those of introspection, are last."""
    return _INDICES.get(name, len(_ORDER))
