// The part of the schema of the gateway that the benchmark uses, and its resolvers, for the servers in JavaScript.

import * as sources from "./sources.mjs";

export const typeDefs = /* GraphQL */ `
  type Query {
    user(id: ID!, source: UserSource): User
    users(first: Int, filter: UserFilter): UserConnection!
  }
  type Mutation {
    updateAccountUser(id: ID!, input: UpdateAccountUserInput!): User
  }
  input UpdateAccountUserInput { name: String }
  input UserFilter { search: String }
  enum UserSource { ACCOUNT }
  enum UserStatus { ACTIVE DISABLED REMOVED }
  enum OwnerType { SYSTEM ACCOUNT }
  type UserConnection { nodes: [User!]! }
  type User {
    sourceId: String!
    name: String
    email: String
    status: UserStatus
    role: Role
    department: Department
  }
  type Role {
    sourceId: String!
    name: String!
    permissions: [String!]
    owner: RoleOwner
  }
  type RoleOwner { type: OwnerType! }
  type Department {
    sourceId: String!
    name: String!
    location: Location
  }
  type Location { name: String! }
`;

export const resolvers = {
  Query: {
    user: (_, { id }) => sources.user(id),
    users: async (_, { first, filter }) => ({ nodes: await sources.users(first, filter.search) }),
  },
  Mutation: {
    updateAccountUser: (_, { id, input }) => sources.update(id, input),
  },
  User: {
    sourceId: (user) => user.id,
    name: (user) => user.user.name,
    email: (user) => user.user.email,
    status: (user) => user.status.toUpperCase(),
  },
  Role: {
    sourceId: (role) => role.id,
    permissions: async (role, _, { roles }) => (await roles.load(role.id)).permissions,
    owner: async (role, _, { roles }) => (await roles.load(role.id)).owner,
  },
  RoleOwner: {
    type: (owner) => owner.type.toUpperCase(),
  },
  Department: {
    sourceId: (department) => department.id,
    location: async (department, _, { departments }) => (await departments.load(department.id)).location,
  },
};

// For a cache of the results of `Query.users`: it returns the users with all that the lookups add to them.
export const completeResolvers = {
  ...resolvers,
  Query: {
    ...resolvers.Query,
    users: async (_, { first, filter }, { roles, departments }) => {
      const complete = async (user) => {
        const [role, department] = await Promise.all([roles.load(user.role.id), departments.load(user.department.id)]);
        return { ...user, role, department };
      };
      return { nodes: await Promise.all((await sources.users(first, filter.search)).map(complete)) };
    },
  },
  Role: { sourceId: resolvers.Role.sourceId },
  Department: { sourceId: resolvers.Department.sourceId },
};
