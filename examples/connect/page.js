// The page: `?gateway=http://127.0.0.1:8000`, whose setting GATEWAY_CORS_ORIGINS lists the origin of the page.
import { createConnectTransport } from "@connectrpc/connect-web";
import { readUser, refusedFields, rename, usersOf, watch } from "./users.js";

const baseUrl = new URLSearchParams(location.search).get("gateway") ?? location.origin;
const ada = "acus_adalovelace1";
const json = usersOf(createConnectTransport({ baseUrl, useHttpGet: true }));
const binary = usersOf(createConnectTransport({ baseUrl, useBinaryFormat: true }));

function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("ol").append(line);
}

show(await readUser(json, ada)); // by GET
show(await readUser(binary, ada));
show(await refusedFields(json, { username: "a b", password: "short" }));
const key = crypto.randomUUID();
await watch(json, {
  signal: AbortSignal.timeout(60_000),
  onBegin: async () => {
    show(await rename(binary, ada, "Ada King", key));
    show(await rename(json, ada, "Ada King", key));
  },
  onEvent: (change, user) => show(`${change} ${user.name}`),
});
