import { cacheExchange } from "@urql/exchange-graphcache";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient as createSocket } from "graphql-ws";
import { type Failure, isOfChange, reported, unanswered } from "shared/failure";
import { GATEWAY } from "shared/page";
import { Client, CombinedError, type Exchange, fetchExchange, type Operation, type OperationResult, subscriptionExchange } from "urql";
import { pipe, tap } from "wonka";
import schema from "./gql/introspection";
import { updateLists } from "./live";

// A record without an id is stored inside the record that has it, and graphcache has to know that.
const embedded = schema.__schema.types.filter((type) => type.kind === "OBJECT" && !type.fields.some(({ name }) => name === "id"));
const keys = Object.fromEntries(embedded.map(({ name }) => [name, () => null]));

const socket = createSocket({
  url: GATEWAY.replace(/^http/, "ws"),
  // Changes made while the connection was lost are not sent later: what is on the page is read again.
  on: { connected: (_socket, _payload, isRetry) => isRetry && shown.forEach(readAgain) },
});

const shown = new Map<number, Operation>();
const trackQueries: Exchange = ({ forward }) => (operations) =>
  forward(
    pipe(
      operations,
      tap((operation) => {
        if (operation.kind === "query") shown.set(operation.key, operation);
        if (operation.kind === "teardown") shown.delete(operation.key);
      }),
    ),
  );

function readAgain(query: Operation) {
  client.reexecuteOperation(client.createRequestOperation("query", query, { ...query.context, requestPolicy: "network-only" }));
}

// For a gateway that executes the documents of src/gql/persisted-documents.json only: it is sent their hashes.
const trusted = persistedExchange({
  generateHash: async (_text, document) => Object(document).__meta__.hash,
  enforcePersistedQueries: true,
  enableForMutation: true,
  enableForSubscriptions: true,
});

export const client: Client = new Client({
  url: GATEWAY,
  exchanges: [
    trackQueries,
    cacheExchange({ schema, keys, updates: { Subscription: { userChanged: updateLists } } }),
    ...(import.meta.env.VITE_TRUSTED_DOCUMENTS ? [trusted] : []),
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query = "", ...request }) => ({
        subscribe: ({ error, ...sink }) => {
          const closed = (reason: unknown) => error(reason instanceof CloseEvent ? new Error(`closed with ${reason.code}`) : reason);
          return { unsubscribe: socket.subscribe({ ...request, query }, { ...sink, error: closed }) };
        },
      }),
    }),
  ],
});

export const failureOf = (error: unknown): Failure =>
  error instanceof CombinedError && error.graphQLErrors.length > 0 ? reported(error.graphQLErrors) : unanswered(error);

/** Returns the data of a mutation, or throws its error, unless it is of fields of the result: the change was saved. */
export async function dataOf<Data>(result: Promise<OperationResult<Data>>): Promise<Data | undefined> {
  const { data, error } = await result;
  if (error && (error.networkError || error.graphQLErrors.some(isOfChange))) throw error;
  return data;
}
