import { useState } from "react";
import { Filters } from "shared/Filters";
import { Alert, More, pathTo, Picture, SOURCES, statusOf, Unavailable } from "shared/page";
import { useQuery } from "urql";
import { failureOf } from "./client";
import { type FragmentType, getFragmentData, graphql } from "./gql";
import type { UserFilter } from "./gql/graphql";
import { USERS } from "./live";

const ROW = graphql(`
  fragment UserRow on User { id source name email status imageUrl }
`);

type Props = { filter: UserFilter; setFilter: (filter: UserFilter) => void };

export function UserList({ filter, setFilter }: Props) {
  return (
    <>
      <Filters filter={filter} setFilter={setFilter} />
      <UserPage key={JSON.stringify(filter)} filter={filter} after={null} />
    </>
  );
}

/** One page of the list, and those behind it as soon as it has been scrolled to its end. */
function UserPage({ filter, after }: { filter: UserFilter; after: string | null }) {
  const [{ data, error, fetching }, read] = useQuery({ query: USERS, variables: { filter, after } });
  const [next, setNext] = useState<string | null>(null);
  const users = data?.users;
  const retry = () => read({ requestPolicy: "network-only" });
  return (
    <>
      {error && <Alert title="The list could not be read." action="Try again" onAction={retry}>{failureOf(error).message}</Alert>}
      {users && <Unavailable sources={users.unavailable} retry={retry} />}
      <ul aria-label="Users" aria-busy={fetching}>
        {users?.edges.map(({ node }) => <UserRow key={node.id} user={node} />)}
      </ul>
      {users?.edges.length === 0 && !after && <p>There is no such user.</p>}
      {fetching && <p>Loading…</p>}
      {next ? (
        <UserPage key={next} filter={filter} after={next} />
      ) : (
        users?.pageInfo.hasNextPage && <More onMore={() => setNext(users.pageInfo.endCursor ?? null)}>More</More>
      )}
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
