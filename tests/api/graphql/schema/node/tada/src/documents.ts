import { initGraphQLTada, readFragment, type FragmentOf, type ResultOf } from "gql.tada"
import type { introspection } from "./graphql-env.d.ts"

const graphql = initGraphQLTada<{ introspection: introspection }>()

export const Card = graphql(`
  fragment Card on User { id name source role { id name } accounts { id name } }
`)

export const AllUsers = graphql(
  `query AllUsers($after: String) {
    users(first: 20, after: $after) { edges { node { id ...Card } } pageInfo { hasNextPage endCursor } }
  }`,
  [Card],
)

export const AnyRecord = graphql(`
  query AnyRecord($id: ID!) { node(id: $id) { __typename id ... on Location { name } ... on Machine { serialNumber } } }
`)

export function label(card: FragmentOf<typeof Card>): string {
  const user = readFragment(Card, card)
  return `${user.id}: ${user.name ?? "?"} ${user.role?.name ?? ""}`
}

export function name(result: ResultOf<typeof AnyRecord>): string | null {
  return result.node?.__typename === "Location" ? result.node.name : null
}
