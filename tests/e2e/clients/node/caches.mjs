// Fills the normalized caches of Apollo Client and urql by two queries for other fields of the same records, and prints
// whether the first one can still be answered out of the cache, and what the libraries warn about.
// node caches.mjs URL POSSIBLE_TYPES INTROSPECTION, the latter two files printed by `gateway schema`.
import { readFileSync } from "node:fs";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";

const [url, possibleTypesFile, introspectionFile] = process.argv.slice(2);
const read = (file) => JSON.parse(readFileSync(file));
const warnings = [];
for (const level of ["warn", "error"]) console[level] = (...texts) => warnings.push(texts.join(" "));

const query = ({ account, actor, step, location, machine, marketplace, platform, station }) => `{
  users(first: 3, filter: { sources: [SOFTWAREONE] }) {
    edges { node { id accounts { id ${marketplace} } createdBy { id ${actor} } } }
  }
  user(id: "acus_adalovelace1", source: ACCOUNT) {
    id
    platformUser { id ${platform} }
    department {
      id
      location { id ${location} }
      machines { nodes { id ${machine} } }
      scanningStations { nodes { id ${station} productionSteps { nodes { id ${step} } } } }
    }
  }
  roles(search: "Planner") { nodes { id owner { account { id ${account} } } } }
}`;
const names = query({
  account: "name",
  actor: "name",
  step: "name",
  location: "name",
  machine: "name",
  marketplace: "name",
  platform: "createdAt",
  station: "name",
});
const details = query({
  account: "portal { id slug } defaultBillingAddress { id phone geolocation { id country } }",
  actor: "imageUrl",
  step: "levelingFactor",
  location: "type",
  machine: "serialNumber",
  marketplace: "type status",
  platform: "updatedAt",
  station: "type",
});
const node = `query ($id: ID!) { node(id: $id) { __typename id ...Named } } fragment Named on Node { ... on Location { name } }`;

async function apollo() {
  const cache = new InMemoryCache({ possibleTypes: read(possibleTypesFile) });
  const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache });
  const { data } = await client.query({ query: gql(names) });
  await client.query({ query: gql(details) });
  const variables = { id: data.user.department.location.id };
  const found = await client.query({ query: gql(node), variables });
  return { complete: cache.diff({ query: gql(names), optimistic: true }).complete, node: found.data.node };
}

async function urql() {
  const schema = read(introspectionFile);
  const withoutId = schema.__schema.types.filter(({ kind, fields }) => kind === "OBJECT" && fields.every(({ name }) => name !== "id"));
  const keys = Object.fromEntries(withoutId.map(({ name }) => [name, () => null]));
  // A caller's credential, as a page has it: without it, Node sends nothing that tells a GET from one of another site.
  const fetchOptions = { headers: { authorization: "Bearer of-the-caller" } };
  const client = new Client({ url, exchanges: [cacheExchange({ schema, keys }), fetchExchange], fetchOptions });
  const { data } = await client.query(names, {});
  await client.query(details, {});
  const again = await client.query(names, {}, { requestPolicy: "cache-only" });
  const found = await client.query(node, { id: data.user.department.location.id });
  return { complete: JSON.stringify(again.data) === JSON.stringify(data), node: found.data.node };
}

const results = { apollo: await apollo(), urql: await urql() };
process.stdout.write(JSON.stringify({ ...results, warnings }));
