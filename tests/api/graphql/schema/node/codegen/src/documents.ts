import { graphql, useFragment, type FragmentType } from "./gql"

export const Card = graphql(`
  fragment Card on User { id name source status role { id name } accounts { id name type } }
`)

export const AllUsers = graphql(`
  query AllUsers($after: String, $filter: UserFilter) {
    users(first: 20, after: $after, filter: $filter) {
      edges { cursor node { ...Card } }
      pageInfo { hasNextPage endCursor }
      unavailable { source code retryAfter }
    }
  }
`)

export const AnyRecord = graphql(`
  query AnyRecord($id: ID!) {
    node(id: $id) { __typename id ... on Location { name type children { nodes { id name } } } ... on Machine { notes } }
  }
`)

export const Update = graphql(`
  mutation Update($id: ID!, $input: UpdateAccountUserInput!, $key: String) {
    updateAccountUser(id: $id, input: $input, idempotencyKey: $key) { ...Card }
  }
`)

export const Changes = graphql(`
  subscription Changes { userChanged { id change user { ...Card } } }
`)

export function label(card: FragmentType<typeof Card>): string {
  const user = useFragment(Card, card)
  switch (user.source) {
    case "ACCOUNT":
    case "SOFTWAREONE":
    case "RESELLER":
      return `${user.id}: ${user.name ?? "?"} ${(user.accounts ?? []).map((account) => account.id).join()}`
  }
}
