import { graphql } from "relay-runtime"

export const list = graphql`
  fragment documentsList on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }, filter: { type: "UserFilter" })
  @refetchable(queryName: "documentsListPaginationQuery") {
    users(first: $count, after: $cursor, filter: $filter) @connection(key: "documents_users", filters: ["filter"]) {
      __id
      edges { node { id ...documentsCard } }
      unavailable { source code }
    }
  }
`

export const card = graphql`
  fragment documentsCard on User @refetchable(queryName: "documentsCardRefetchQuery") {
    name
    status
    accounts { id name }
    department { location { id name } ...documentsDepartment @defer(label: "department") }
  }
`

export const department = graphql`
  fragment documentsDepartment on Department { machines { nodes { id notes } } }
`

export const station = graphql`
  fragment documentsStation on ScanningStation @refetchable(queryName: "documentsStationRefetchQuery") {
    name
    productionSteps { nodes { id name } pageInfo { hasNextPage } }
  }
`

export const query = graphql`
  query documentsQuery($filter: UserFilter) { ...documentsList @arguments(filter: $filter) }
`

export const create = graphql`
  mutation documentsCreateMutation($input: CreateAccountUserInput!, $key: String, $connections: [ID!]!) {
    createAccountUser(input: $input, idempotencyKey: $key)
      @prependNode(connections: $connections, edgeTypeName: "UserEdge") { ...documentsCard }
  }
`

export const changes = graphql`
  subscription documentsChangesSubscription { userChanged { id change user { id ...documentsCard } } }
`
