"""The operations that callers send during the incident. All but the subscription are trusted documents."""

__all__ = ["COMPANY", "DOCUMENTS", "EXPORT", "FOLLOW", "LICENSES", "READ", "RESELLER", "SAVE"]

READ = "query AccountPage($id: ID!) { user(id: $id, source: ACCOUNT) { name email } }"
LICENSES = "query LicensePage($id: ID!) { user(id: $id, source: SOFTWAREONE) { name email } }"
RESELLER = "query ResellerPage($id: ID!) { user(id: $id, source: RESELLER) { name email } }"
EXPORT = (
    "query Export($search: String!) { users(first: 50, filter: { search: $search, sources: [SOFTWAREONE, RESELLER] })"
    " { nodes { sourceId name } } }"
)
SAVE = "mutation SaveProfile($id: ID!, $name: String!) { updateAccountUser(id: $id, input: { name: $name }) { name } }"
COMPANY = (
    "mutation SaveCompany($id: ID!, $company: String!)"
    " { updateResellerUser(id: $id, input: { company: $company }) { sourceId } }"
)
FOLLOW = "subscription Changes { userChanged { user { sourceId } } }"
DOCUMENTS = {
    "account-page": READ,
    "license-page": LICENSES,
    "reseller-page": RESELLER,
    "export": EXPORT,
    "save": SAVE,
    "company": COMPANY,
}
