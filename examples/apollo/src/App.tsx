import type { ApolloCache } from "@apollo/client";
import { useSubscription } from "@apollo/client/react";
import { useState } from "react";
import { matches } from "shared/matches";
import { Alert, usePath } from "shared/page";
import { failureOf } from "./client";
import { NewUser } from "./forms";
import { graphql } from "./gql";
import type { UserChangedSubscription, UserFilter } from "./gql/graphql";
import { OneUser, Person } from "./Person";
import { USERS, UserList } from "./UserList";

const USER_CHANGED = graphql(`
  subscription UserChanged {
    userChanged {
      id
      change
      user { id source name email ...UserRow ...UserDetails }
    }
  }
`);

export function App() {
  const [page, argument = ""] = usePath();
  const [filter, setFilter] = useState<UserFilter>({});
  // Apollo Client updates a changed user wherever it is shown. Which users are in a list is for the page to decide.
  const live = useSubscription(USER_CHANGED, {
    onData: ({ client, data: { data } }) => data && updateList(client.cache, filter, data.userChanged),
  });

  return (
    <>
      <header>
        <a href="#/">Users</a>
        <a href="#/new">New user</a>
      </header>
      {live.error && (
        <Alert title="Changes are not shown as they happen." action="Reconnect" onAction={live.restart}>
          {failureOf(live.error).message}
        </Alert>
      )}
      <main>
        {page === "" && <UserList filter={filter} setFilter={setFilter} />}
        {page === "person" && <Person email={argument} />}
        {page === "user" && <OneUser id={argument} />}
        {page === "new" && <NewUser />}
      </main>
    </>
  );
}

type Event = UserChangedSubscription["userChanged"];

/** Adds a created user to the list, and removes a deleted one from everywhere. */
function updateList(cache: ApolloCache, filter: UserFilter, { change, user }: Event) {
  if (change === "DELETED") {
    cache.evict({ id: cache.identify(user) });
  } else if (change === "CREATED" && matches(user, filter)) {
    cache.updateQuery({ query: USERS, variables: { filter } }, (data) => {
      if (!data?.users || data.users.edges.some(({ node }) => node.id === user.id)) return data;
      const edge = { __typename: "UserEdge" as const, cursor: "", node: user };
      return { ...data, users: { ...data.users, edges: [edge, ...data.users.edges] } };
    });
  }
}
