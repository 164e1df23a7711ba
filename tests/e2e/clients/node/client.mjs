// Executes an operation with a client library in its default configuration; prints a line of JSON for each result.
// node client.mjs NAME URL DOCUMENT [HEADERS]: ends with the operation, or when it is killed.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { Client, fetchExchange } from "@urql/core";

const [name, url, document, headers = "{}"] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const codes = (error) => error.errors?.map(({ extensions }) => extensions.code) ?? error.message;

function apollo(incrementalHandler) {
  const link = new HttpLink({ uri: url, headers: JSON.parse(headers) });
  return new ApolloClient({ link, cache: new InMemoryCache(), ...(incrementalHandler && { incrementalHandler }) });
}

function apolloQuery(incrementalHandler) {
  const observed = apollo(incrementalHandler).watchQuery({ query: gql(document) });
  observed.subscribe(({ data, dataState, error, loading }) => {
    if (loading && !data) return; // before the first part
    print({ data, dataState, ...(error && { error: codes(error) }) });
    if (dataState === "complete" || error) process.exit();
  });
}

function apolloSubscription() {
  apollo()
    .subscribe({ query: gql(document) })
    .subscribe({
      next: ({ data, error }) => print({ data, ...(error && { error: codes(error) }) }),
      complete: () => print({ complete: true }),
    });
}

function urql(kind, options) {
  const client = new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers: JSON.parse(headers) }, ...options });
  client[kind](document, {}).subscribe(({ data, error, hasNext }) => {
    const codes = error?.graphQLErrors.map(({ extensions }) => extensions.code);
    print({ data, hasNext, ...(error && { error: codes.length ? codes : error.message }) });
  });
}

const run = {
  "apollo query": () => apolloQuery(),
  "apollo Defer20220824Handler": () => apolloQuery(new Defer20220824Handler()),
  "apollo GraphQL17Alpha9Handler": () => apolloQuery(new GraphQL17Alpha9Handler()),
  "apollo subscription": apolloSubscription,
  "urql query": () => urql("query"),
  "urql subscription": () => urql("subscription", { fetchSubscriptions: true }),
};
run[name]();
