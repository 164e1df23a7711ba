// Executes a query twice with the given client library; prints the data and the requests of each time.
// node client.mjs apollo|urql automatic|manifest URL API_KEY [MANIFEST]
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [library, mode, url, apiKey, file] = process.argv.slice(2);
const QUERY = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { __typename id name } }';

let sent = [];
const recordingFetch = (address, options) => {
  const body = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(address).searchParams);
  sent.push({ method: options.method, query: typeof body.query === "string" });
  return fetch(address, options);
};
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const byManifest = () => {
  const { operations } = JSON.parse(readFileSync(file));
  return operations.find(({ name }) => name === "Ada").id;
};
const headers = { "X-API-Key": apiKey };

function apollo() {
  const options = mode === "manifest" ? { generateHash: byManifest, disable: () => false } : { sha256 };
  const link = new PersistedQueryLink(options).concat(new HttpLink({ uri: url, fetch: recordingFetch, headers }));
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return async () => (await client.query({ query: gql(QUERY), fetchPolicy: "network-only" })).data;
}

function urql() {
  const enforced = { enforcePersistedQueries: true, generateHash: async () => byManifest() };
  const persisted = persistedExchange({
    ...(mode === "manifest" ? enforced : { generateHash: async (query) => sha256(query) }),
  });
  const exchanges = [persisted, fetchExchange];
  const client = new Client({ url, exchanges, fetch: recordingFetch, fetchOptions: { headers } });
  return async () => {
    const { data, error } = await client.query(QUERY, {}, { requestPolicy: "network-only" }).toPromise();
    if (error) throw error;
    return data;
  };
}

const execute = library === "apollo" ? apollo() : urql();
for (let time = 0; time < 2; time++) {
  sent = [];
  const data = await execute();
  process.stdout.write(JSON.stringify({ data, sent }) + "\n");
}
