// node node.js http://127.0.0.1:8000: reads, changes and watches users by Connect, in the binary form and in JSON.
import { createConnectTransport } from "@connectrpc/connect-node";
import { readUser, refusedFields, rename, usersOf, watch } from "./users.js";

const [baseUrl] = process.argv.slice(2);
const ada = "acus_adalovelace1";
const binary = usersOf(createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }));
const json = usersOf(createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }));

console.log(await readUser(binary, ada));
console.log(await readUser(json, ada)); // by GET
console.log(await refusedFields(json, { username: "a b", password: "short" }));

for (const [users, name] of [
  [binary, "Ada Byron"],
  [json, "Ada Lovelace"],
]) {
  const stop = new AbortController();
  const key = `node-${process.pid}-${name}`;
  await watch(users, {
    signal: stop.signal,
    onBegin: () => rename(users, ada, name, key),
    onEvent: (change, user) => {
      console.log(change, user.name);
      stop.abort();
    },
  });
  console.log(await rename(users, ada, name, key));
}
