// The storage of GraphiQL. Each browser tab has a complete copy in sessionStorage. localStorage has the
// latest copy for the next visit, without header values: those may be tokens, and must not outlive the
// tab in which they were typed. Keys contain the page's path, so that two gateways on one origin do not
// mix their tabs.

const PREFIX = `user-gateway:${location.pathname}:`;
const AREAS = [sessionStorage, localStorage];

const keysOf = (area: Storage) => Object.keys(area).filter((key) => key.startsWith(PREFIX));

/** Empties each "headers" in the JSON of GraphiQL's tabs and history. */
function withoutHeaders(json: string): string {
  return JSON.stringify(JSON.parse(json), (key, value) => (key === "headers" ? null : value));
}

export const storage = {
  getItem: (key: string) => sessionStorage.getItem(PREFIX + key) ?? localStorage.getItem(PREFIX + key),

  setItem(key: string, value: string) {
    sessionStorage.setItem(PREFIX + key, value);
    if (key === "graphiql:headers") return;
    const holdsHeaders = ["graphiql:tabState", "graphiql:queries", "graphiql:favorites"].includes(key);
    localStorage.setItem(PREFIX + key, holdsHeaders ? withoutHeaders(value) : value);
  },

  removeItem: (key: string) => AREAS.forEach((area) => area.removeItem(PREFIX + key)),

  clear: () => AREAS.forEach((area) => keysOf(area).forEach((key) => area.removeItem(key))),

  get length() {
    return keysOf(localStorage).length;
  },
};
