import { NetworkStatus } from "@apollo/client";
import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import type { Failure } from "shared/failure";
import { Filters } from "shared/Filters";
import { Alert, More, pathTo, Picture, SOURCES, statusOf, Unavailable } from "shared/page";
import { failureOf } from "./client";
import { type FragmentType, getFragmentData, graphql } from "./gql";
import type { UserFilter } from "./gql/graphql";

export const USERS = graphql(`
  query Users($filter: UserFilter, $after: String) {
    users(first: 25, after: $after, filter: $filter) {
      edges {
        cursor
        node { id ...UserRow }
      }
      pageInfo { endCursor hasNextPage }
      unavailable { source code message retryAfter asOf }
    }
  }
`);

const ROW = graphql(`
  fragment UserRow on User { id source name email status imageUrl }
`);

type Props = { filter: UserFilter; setFilter: (filter: UserFilter) => void };

export function UserList({ filter, setFilter }: Props) {
  const { data, error, networkStatus, fetchMore, refetch } = useQuery(USERS, { variables: { filter } });
  const [pageFailure, setPageFailure] = useState<Failure>();
  const failure = pageFailure ?? (error && failureOf(error));
  const loading = networkStatus < NetworkStatus.ready;
  const users = data?.users;

  function nextPage() {
    if (loading || failure) return;
    const after = users?.pageInfo.endCursor ?? null;
    fetchMore({ variables: { after } }).catch((reason: unknown) => setPageFailure(failureOf(reason)));
  }
  function retry() {
    setPageFailure(undefined);
    void refetch();
  }

  return (
    <>
      <Filters filter={filter} setFilter={setFilter} />
      {failure && <Alert title="The list could not be read." action="Try again" onAction={retry}>{failure.message}</Alert>}
      {users && <Unavailable sources={users.unavailable} retry={retry} />}
      <ul aria-label="Users" aria-busy={loading}>
        {users?.edges.map(({ node }) => <UserRow key={node.id} user={node} />)}
      </ul>
      {users?.edges.length === 0 && <p>There is no such user.</p>}
      {users?.pageInfo.hasNextPage && <More onMore={nextPage}>More</More>}
      {loading && <p>Loading…</p>}
    </>
  );
}

function UserRow(props: { user: FragmentType<typeof ROW> }) {
  const user = getFragmentData(ROW, props.user);
  return (
    <li>
      <a href={user.email ? pathTo("person", user.email) : pathTo("user", user.id)}>
        <Picture url={user.imageUrl} />
        <span>{user.name ?? user.email ?? "without a name"}</span>
        <span className="source">{SOURCES[user.source]}</span>
        <small>{user.email} <i>{statusOf(user)}</i></small>
      </a>
    </li>
  );
}
