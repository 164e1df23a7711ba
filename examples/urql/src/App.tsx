import { useState } from "react";
import { Alert, usePath } from "shared/page";
import { useSubscription } from "urql";
import { failureOf } from "./client";
import { NewUser } from "./forms";
import type { UserFilter } from "./gql/graphql";
import { USER_CHANGED } from "./live";
import { OneUser, Person } from "./Person";
import { UserList } from "./UserList";

export function App() {
  const [page, argument = ""] = usePath();
  const [filter, setFilter] = useState<UserFilter>({});
  const [live, restart] = useSubscription({ query: USER_CHANGED });

  return (
    <>
      <header>
        <a href="#/">Users</a>
        <a href="#/new">New user</a>
      </header>
      {live.error && (
        <Alert title="Changes are not shown as they happen." action="Reconnect" onAction={restart}>
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
