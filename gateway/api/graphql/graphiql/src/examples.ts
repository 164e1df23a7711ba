// The tabs that a first visitor finds. The ids are those of `gateway demo`; change them here.

export interface Example {
  query: string;
  variables: string;
}

const json = (variables: object) => JSON.stringify(variables, null, 2);

/** A random key: the same key with other input would be an error. */
const newKey = (name: string) =>
  `${name}-${Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("")}`;

export const examples: Example[] = [
  {
    query: `# One account user with role and department.
# The id is a source id, as here, or a global id:
# then leave out the source.
query OneUser($id: ID!, $source: UserSource) {
  user(id: $id, source: $source) {
    id
    source
    sourceId
    name
    email
    status
    role {
      name
      type
      permissions
    }
    department {
      name
      notes
    }
  }
}
`,
    variables: json({ id: "acus_adalovelace1", source: "ACCOUNT" }),
  },
  {
    query: `# Sets an account user's department, then clears it:
# null clears a field, an absent one is not changed.
# A repeated key changes nothing: the stored result is
# returned. Use a new key for a new change.
mutation ChangeDepartment(
  $id: ID!
  $departmentId: ID!
  $setKey: String
  $clearKey: String
) {
  set: updateAccountUser(
    id: $id
    input: { departmentId: $departmentId }
    idempotencyKey: $setKey
  ) {
    id
    name
    department {
      id
      name
    }
  }
  clear: updateAccountUser(
    id: $id
    input: { departmentId: null }
    idempotencyKey: $clearKey
  ) {
    id
    name
    department {
      id
      name
    }
  }
}
`,
    variables: json({
      id: "acus_adalovelace1",
      departmentId: "dp_returns00000",
      setKey: newKey("set"),
      clearKey: newKey("clear"),
    }),
  },
  {
    query: `# Renames a SoftwareOne Marketplace user.
# Absent fields of the input are not changed.
mutation RenameInMarketplace(
  $id: ID!
  $firstName: String
  $lastName: String
) {
  updateSoftwareOneUser(
    id: $id
    input: { firstName: $firstName, lastName: $lastName }
  ) {
    id
    sourceId
    name
    firstName
    lastName
    updatedAt
  }
}
`,
    variables: json({ id: "USR-0000-0001", firstName: "Ada", lastName: "Lovelace" }),
  },
  {
    query: `# Follows all changes of users: run this, open this
# page in a second window, and run the next tab there.
# The change appears here.
subscription FollowUsers(
  $sources: [UserSource!]
) {
  userChanged(sources: $sources) {
    id
    change
    occurredAt
    user {
      id
      source
      name
      email
      company
    }
  }
}
`,
    variables: json({ sources: ["RESELLER"] }),
  },
  {
    query: `# Changes a reseller user's company.
# resellerId is required if the id is no global id
# and the gateway has no reseller configured.
mutation ResellerCompany(
  $id: ID!
  $company: String
  $resellerId: ID
) {
  updateResellerUser(
    id: $id
    resellerId: $resellerId
    input: { company: $company }
  ) {
    id
    sourceId
    name
    email
    company
    updatedAt
  }
}
`,
    variables: json({ id: "00000000-0000-4000-8000-000000000001", company: "Analytical Engines" }),
  },
];
