import { useDeferredValue, useState } from "react";
import { graphql, useFragment, usePaginationFragment } from "react-relay";
import type { Failure } from "shared/failure";
import { Filters } from "shared/Filters";
import { Alert, More, pathTo, Picture, SOURCES, statusOf, Unavailable } from "shared/page";
import type { UserList_row$key } from "./gql/UserList_row.graphql";
import type { UserList_users$key } from "./gql/UserList_users.graphql";
import type { UserFilter, UserListQuery } from "./gql/UserListQuery.graphql";
import { Boundary, useRead } from "./Boundary";
import { failureOf } from "./environment";

type Props = { filter: UserFilter; setFilter: (filter: UserFilter) => void; reload: () => void };

export function UserList({ filter, setFilter, reload }: Props) {
  // While the users of another filter are being read, the former ones stay.
  const shown = useDeferredValue(filter);
  return (
    <>
      <Filters filter={filter as Parameters<typeof Filters>[0]["filter"]} setFilter={setFilter} />
      <Boundary reload={reload}>
        <List reload={reload} filter={shown} busy={shown !== filter} />
      </Boundary>
    </>
  );
}

function List({ filter, busy, reload }: { filter: UserFilter; busy: boolean; reload: () => void }) {
  const query = useRead<UserListQuery>(
    graphql`
      query UserListQuery($filter: UserFilter) {
        ...UserList_users @arguments(filter: $filter)
      }
    `,
    { filter },
  );
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment<UserListQuery, UserList_users$key>(
    graphql`
      fragment UserList_users on Query
        @argumentDefinitions(filter: { type: "UserFilter" }, count: { type: "Int", defaultValue: 25 }, after: { type: "String" })
        @refetchable(queryName: "UserListPageQuery") @throwOnFieldError {
        users(first: $count, after: $after, filter: $filter) @connection(key: "UserList_users") {
          edges {
            node { id ...UserList_row }
          }
          unavailable { source code message retryAfter asOf }
        }
      }
    `,
    query,
  );
  const [failure, setFailure] = useState<Failure>();
  const edges = (data.users?.edges ?? []).filter(({ node }) => node); // that of a deleted user is null

  function nextPage() {
    if (isLoadingNext) return;
    loadNext(25, { onComplete: (error) => setFailure(error ? failureOf(error) : undefined) });
  }

  return (
    <>
      {failure && <Alert title="The next users could not be read." action="Try again" onAction={nextPage}>{failure.message}</Alert>}
      <Unavailable sources={data.users?.unavailable ?? []} retry={reload} />
      <ul aria-label="Users" aria-busy={busy || isLoadingNext}>
        {edges.map(({ node }) => <UserRow key={node.id} user={node} />)}
      </ul>
      {edges.length === 0 && <p>There is no such user.</p>}
      {hasNext && !failure && <More onMore={nextPage}>More</More>}
      {isLoadingNext && <p>Loading…</p>}
    </>
  );
}

function UserRow(props: { user: UserList_row$key }) {
  const user = useFragment(
    graphql`
      fragment UserList_row on User { id source name email status imageUrl }
    `,
    props.user,
  );
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
