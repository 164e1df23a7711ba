// The second subgraph: orders, whose buyers and departments are records of the gateway. It knows a user and a machine by
// their ids in the source, and a department by its global id.
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { parse } from "graphql";

export const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])

  type Query {
    orders(buyers: [String!]!, source: UserSource! = ACCOUNT): OrderConnection!
    budgetOf(department: ID!): Department!
  }
  type OrderConnection { nodes: [Order!]! pageInfo: PageInfo! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Order @key(fields: "id") { id: ID! total: Int! buyer: User placedAt: DateTime! }
  type User @key(fields: "source sourceId") { source: UserSource! sourceId: String! orders: [Order!]! }
  type Department @key(fields: "id") { id: ID! budget: Int! }
  type Machine @key(fields: "sourceId") { sourceId: String! temperature: Float! }
  type MarketplaceAccount @key(fields: "sourceId") { sourceId: String! @shareable creditLimit: Int! }
  enum UserSource { ACCOUNT SOFTWAREONE RESELLER }
  scalar DateTime
`);

const orderOf = (buyer) => ({ id: `order-${buyer.sourceId}`, total: 100, buyer, placedAt: "2026-01-02T03:04:05Z" });

const resolvers = {
  Query: {
    orders: (_, { buyers, source }) => ({
      nodes: buyers.map((sourceId) => orderOf({ source, sourceId })),
      pageInfo: { hasNextPage: false, hasPreviousPage: false },
    }),
    budgetOf: (_, { department }) => ({ id: department }),
  },
  User: { orders: (user) => [orderOf(user)] },
  Department: { budget: () => 5000 },
  Machine: { temperature: () => 21.5 },
  MarketplaceAccount: { creditLimit: () => 7 },
};

/** Serves the subgraph at a free port, and returns its URL. */
export async function serveOrders() {
  const server = new ApolloServer({ schema: buildSubgraphSchema({ typeDefs, resolvers }) });
  return (await startStandaloneServer(server, { listen: { port: 0 } })).url;
}
