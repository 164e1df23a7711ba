// Calls the account source for the three servers in JavaScript: a pool of undici, persistent connections, loaders per request.

import { randomUUID } from "node:crypto";
import DataLoader from "dataloader";
import { Pool } from "undici";

const pool = new Pool(process.env.SOURCES, { connections: 100, keepAliveTimeout: 600_000 });
const byList = process.env.LOOKUPS === "lists";
const credentials = { ...JSON.parse(process.env.CREDENTIALS), accept: "application/json" };

const USERS = "/v1/identity/account-users";
const USER_INCLUDES = "include[]=user&include[]=role&include[]=department";

async function call(method, path, change) {
  const headers = change
    ? { ...credentials, "content-type": "application/json", "idempotency-key": randomUUID() }
    : credentials;
  const { statusCode, body } = await pool.request({ method, path, headers, body: change && JSON.stringify(change) });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`${method} ${path} returned ${statusCode}`);
  }
  return body.json();
}

function loader(path, includes) {
  const each = (ids) => Promise.all(ids.map((id) => call("GET", `${path}/${id}?${includes}`)));
  const list = async (ids) => {
    const { data } = await call("GET", `${path}?limit=1000&${includes}`);
    const found = new Map(data.map((record) => [record.id, record]));
    return ids.map((id) => found.get(id) ?? null);
  };
  return new DataLoader(byList ? list : each);
}

export const user = (id) => call("GET", `${USERS}/${id}?${USER_INCLUDES}`);

export async function users(first, search) {
  const path = `${USERS}?limit=${first}&q=${encodeURIComponent(search)}&${USER_INCLUDES}`;
  return (await call("GET", path)).data;
}

export const update = (id, input) => call("PATCH", `${USERS}/${id}?${USER_INCLUDES}`, input);

export const loaders = () => ({
  roles: loader("/v1/identity/roles", "include[]=owner&include[]=permissions"),
  departments: loader("/v1/operations/departments", "include[]=location"),
});
