import { useEffect, useMemo, useReducer, useRef, useState } from "react";
import { graphql, useSubscription } from "react-relay";
import { ConnectionHandler, type GraphQLSubscriptionConfig, type RecordSourceSelectorProxy } from "relay-runtime";
import type { Failure } from "shared/failure";
import { Alert, usePath } from "shared/page";
import type { AppUserChangedSubscription } from "./gql/AppUserChangedSubscription.graphql";
import type { UserFilter } from "./gql/UserListQuery.graphql";
import { Boundary, Version } from "./Boundary";
import { failureOf } from "./environment";
import { NewUser } from "./Forms";
import { OneUser, Person } from "./Person";
import { UserList } from "./UserList";

export function App() {
  const [page, argument = ""] = usePath();
  const [filter, setFilter] = useState<UserFilter>({});
  const [version, reload] = useReducer((number: number) => number + 1, 0);
  const live = useLiveUsers(filter);
  useEffect(() => addEventListener("reconnected", reload), []);

  return (
    <Version value={version}>
      <header>
        <a href="#/">Users</a>
        <a href="#/new">New user</a>
      </header>
      {live.failure && (
        <Alert title="Changes are not shown as they happen." action="Reconnect" onAction={live.restart}>
          {live.failure.message}
        </Alert>
      )}
      <main>
        {page === "" && <UserList filter={filter} setFilter={setFilter} reload={reload} />}
        <Boundary key={`${page}/${argument}`} reload={reload}>
          {page === "person" && <Person email={argument} reload={reload} />}
          {page === "user" && <OneUser id={argument} reload={reload} />}
          {page === "new" && <NewUser />}
        </Boundary>
      </main>
    </Version>
  );
}

/** Relay updates a changed user wherever it is shown. Which users are in a list is for the page to decide. */
function useLiveUsers(filter: UserFilter) {
  const [failure, setFailure] = useState<Failure>();
  const shown = useRef(filter);
  shown.current = filter;
  const config = useMemo<GraphQLSubscriptionConfig<AppUserChangedSubscription>>(
    () => ({
      subscription: graphql`
        subscription AppUserChangedSubscription {
          userChanged {
            id change
            user { id source name email ...UserList_row ...Person_user }
          }
        }
      `,
      variables: {},
      updater: (store, data) => data && updateList(store, shown.current, data.userChanged),
      onError: (error) => setFailure(failureOf(error)),
    }),
    [failure === undefined],
  );
  useSubscription(config);
  return { failure, restart: () => setFailure(undefined) };
}

type Event = AppUserChangedSubscription["response"]["userChanged"];

/** Adds a created user to the list, and removes a deleted one from everywhere. */
function updateList(store: RecordSourceSelectorProxy, filter: UserFilter, { change, user }: Event) {
  const node = store.get(user.id);
  if (change === "DELETED") {
    store.delete(user.id);
  } else if (change === "CREATED" && node && matches(user, filter)) {
    const list = ConnectionHandler.getConnection(store.getRoot(), "UserList_users", { filter });
    if (!list || list.getLinkedRecords("edges")?.some((edge) => edge.getLinkedRecord("node") === node)) return;
    const edge = ConnectionHandler.createEdge(store, list, node, "UserEdge");
    edge.setValue("", "cursor");
    ConnectionHandler.insertEdgeBefore(list, edge);
  }
}

function matches({ source, name, email }: Event["user"], { sources, search }: UserFilter) {
  const text = `${name} ${email}`.toLowerCase();
  return (!sources || sources.includes(source)) && (!search || text.includes(search.toLowerCase()));
}
