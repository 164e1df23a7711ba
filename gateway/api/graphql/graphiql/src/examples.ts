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
    query: `# All users of the three sources, newest first.
# The calls that this took are below the response.
query AllUsers(
  $first: Int
  $after: String
  $filter: UserFilter
) {
  users(
    first: $first
    after: $after
    filter: $filter
  ) {
    nodes {
      source
      name
      email
      role {
        name
      }
      department {
        name
        location {
          name
        }
      }
      organization {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    unavailable {
      source
      code
      retryAfter
    }
  }
}
`,
    variables: json({ first: 10, after: null, filter: {} }),
  },
  {
    query: `# One person in all sources: the records with
# this e-mail address.
query OnePerson($email: String!) {
  person(email: $email) {
    users {
      id
      source
      sourceId
      name
      status
      role {
        name
      }
      department {
        name
        location {
          name
        }
      }
      accounts {
        name
      }
      company
    }
    unavailable {
      source
      code
    }
  }
}
`,
    variables: json({ email: "ada.lovelace@example.com" }),
  },
  {
    query: `# Clears a user's department and sets it again:
# null clears a field, an absent one stays as it
# is. If you run it again, the keys are known and
# the stored results are returned; a new change
# needs a new key.
mutation ChangeDepartment(
  $id: ID!
  $departmentId: ID!
  $clearKey: String
  $setKey: String
) {
  clear: updateAccountUser(
    id: $id
    input: { departmentId: null }
    idempotencyKey: $clearKey
  ) {
    ...Changed
  }
  set: updateAccountUser(
    id: $id
    input: { departmentId: $departmentId }
    idempotencyKey: $setKey
  ) {
    ...Changed
  }
}

fragment Changed on User {
  id
  name
  department {
    id
    name
  }
}
`,
    variables: json({
      id: "acus_gracehopper1",
      departmentId: "dp_finishing000",
      clearKey: newKey("clear"),
      setKey: newKey("set"),
    }),
  },
  {
    query: `# Changes the name of a SoftwareOne Marketplace
# user, and changes it back.
mutation RenameInMarketplace(
  $id: ID!
  $newName: UpdateSoftwareOneUserInput!
  $oldName: UpdateSoftwareOneUserInput!
) {
  rename: updateSoftwareOneUser(
    id: $id
    input: $newName
  ) {
    ...Renamed
  }
  restore: updateSoftwareOneUser(
    id: $id
    input: $oldName
  ) {
    ...Renamed
  }
}

fragment Renamed on User {
  id
  name
  updatedAt
}
`,
    variables: json({
      id: "USR-0000-0002",
      newName: { firstName: "Grace Brewster", lastName: "Murray Hopper" },
      oldName: { firstName: "Grace", lastName: "Hopper" },
    }),
  },
  {
    query: `# Follows the changes of users of these sources:
# run this, open this page in a second window, and
# run the next tab there. The change made last is
# shown here.
subscription FollowUsers($sources: [UserSource!]) {
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
    query: `# Changes a reseller user's company, and back
# again. resellerId is required if the id is no
# global id and the gateway has no reseller
# configured.
mutation ResellerCompany(
  $id: ID!
  $resellerId: ID
  $newCompany: String
  $oldCompany: String
) {
  change: updateResellerUser(
    id: $id
    resellerId: $resellerId
    input: { company: $newCompany }
  ) {
    ...Changed
  }
  restore: updateResellerUser(
    id: $id
    resellerId: $resellerId
    input: { company: $oldCompany }
  ) {
    ...Changed
  }
}

fragment Changed on User {
  id
  name
  company
  updatedAt
}
`,
    variables: json({
      id: "00000000-0000-4000-8000-000000000001",
      newCompany: "Analytical Engines",
      oldCompany: "Lovelace & Co",
    }),
  },
];
