import type { UpdateResolver } from "@urql/exchange-graphcache";
import { matches } from "shared/matches";
import { graphql } from "./gql";
import type { UserChangedSubscription, UsersQueryVariables } from "./gql/graphql";

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

export const USER_CHANGED = graphql(`
  subscription UserChanged {
    userChanged {
      id
      change
      user { id source name email ...UserRow ...UserDetails }
    }
  }
`);

/**
 * Adds a created user to the lists, and removes a deleted one.
 *
 * Graphcache updates a changed user wherever it is shown. Which users are in a list is for the page to decide.
 */
export const updateLists: UpdateResolver<UserChangedSubscription> = ({ userChanged: { change, user } }, _args, cache) => {
  if (change === "UPDATED") return;
  for (const field of cache.inspectFields("Query").filter(({ fieldName }) => fieldName === "users")) {
    const { filter, after } = field.arguments as UsersQueryVariables;
    cache.updateQuery({ query: USERS, variables: { filter, after } }, (data) => {
      if (!data?.users) return data;
      const others = data.users.edges.filter(({ node }) => node.id !== user.id);
      const isNew = change === "CREATED" && !after && matches(user, filter ?? {});
      const edges = isNew ? [{ __typename: "UserEdge" as const, cursor: "", node: user }, ...others] : others;
      return { ...data, users: { ...data.users, edges } };
    });
  }
  if (change === "DELETED") cache.invalidate({ __typename: "User", id: user.id });
};
