// Which headers a caller has to send, as the server states it in the page.

/** The names of the headers that the gateway accepts credentials in; none where it requires no authentication. */
const names = document.getElementById("graphiql")!.dataset.credentials?.split(" ") ?? [];

const template = Object.fromEntries(names.map((name) => [name, name === "Authorization" ? "Bearer " : ""]));

/** What the Headers editor of a new tab shows, to be filled in; undefined without authentication. */
export const headersTemplate = names.length > 0 ? JSON.stringify(template, null, 2) : undefined;

export type Headers = Record<string, string>;

/** Returns the headers without those of the template that are not filled in. */
export const filledIn = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name, value]) => value !== template[name]));
