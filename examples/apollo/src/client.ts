import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, Observable } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode, print } from "graphql";
import { createClient } from "graphql-ws";
import possibleTypes from "./gql/possibleTypes";
import { type Failure, isOfChange, reported, unanswered } from "shared/failure";
import { hasFiles, sendMultipart } from "shared/multipart";
import { GATEWAY } from "shared/page";

const socket = createClient({
  url: GATEWAY.replace(/^http/, "ws"),
  // Changes made while the connection was lost are not sent later: what is on the page is read again.
  on: { connected: (_socket, _payload, isRetry) => isRetry && void client.refetchQueries({ include: "active" }) },
});

// Apollo Client sends no files by itself.
const uploads = new ApolloLink(
  ({ query, variables, extensions, getContext }) =>
    new Observable((observer) => {
      const controller = new AbortController();
      const { onProgress, http } = getContext();
      const text = http?.includeQuery === false ? undefined : print(query);
      const request = { query: text, variables, extensions };
      sendMultipart<ApolloLink.Result>(GATEWAY, request, { signal: controller.signal, onProgress }).then(
        (result) => {
          observer.next(result);
          observer.complete();
        },
        (error: unknown) => observer.error(error),
      );
      return () => controller.abort();
    }),
);

const network = ApolloLink.split(
  ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
  new GraphQLWsLink(socket),
  ApolloLink.split(({ variables }) => hasFiles(variables), uploads, new HttpLink({ uri: GATEWAY })),
);

// For a gateway that executes the documents of src/gql/persisted-documents.json only: it is sent their hashes.
const trusted = new PersistedQueryLink({ generateHash: (document) => Object(document).__meta__.hash });

export const client = new ApolloClient({
  cache: new InMemoryCache({
    ...possibleTypes,
    // One list for each filter, to which the next pages are appended.
    typePolicies: { Query: { fields: { users: relayStylePagination(["filter"]) } } },
  }),
  link: import.meta.env.VITE_TRUSTED_DOCUMENTS ? trusted.concat(network) : network,
});

export const failureOf = (error: unknown): Failure =>
  CombinedGraphQLErrors.is(error) ? reported(error.errors) : unanswered(error);

/** Options of mutations: a field of the result that fails is null, and the others are stored. */
export const WITH_FAILED_FIELDS = { errorPolicy: "all" } as const;

/** Returns the data of a mutation, or throws its error, unless it is of fields of the result: the change was saved. */
export async function dataOf<Data>(result: Promise<ApolloClient.MutateResult<Data>>): Promise<Data | undefined> {
  const { data, error } = await result;
  if (error && !(CombinedGraphQLErrors.is(error) && !error.errors.some(isOfChange))) throw error;
  return data;
}
