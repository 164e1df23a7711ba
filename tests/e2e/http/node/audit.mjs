// Runs the audits of GraphQL over HTTP against a URL and prints each one's result as a line of JSON.
// node audit.mjs URL [API_KEY]
import { serverAudits } from "graphql-http";

const [url, apiKey] = process.argv.slice(2);

const withKey = (address, options = {}) =>
  fetch(address, { ...options, headers: { ...options.headers, "X-API-Key": apiKey } });

for (const audit of serverAudits({ url, ...(apiKey && { fetchFn: withKey }) })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
