// What the program in Node and the page have in common: they differ in their transport alone.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./generated/google/rpc/error_details_pb.js";
import { UserChange, UserService, UserSource, View } from "./generated/usergateway/v1/users_pb.js";

export function usersOf(transport) {
  return createClient(UserService, transport);
}

// Reads a user of the account with the name of the role's owner.
export async function readUser(users, id) {
  const user = await users.getUser({ id, source: UserSource.ACCOUNT, view: View.FULL });
  return `${user.name} (${user.role.name} of ${user.role.owner.account?.name ?? "the platform"})`;
}

// Changes a name. A repetition with the same key is executed once, and gets the stored result.
export async function rename(users, id, name, key) {
  let replayed = false;
  const onTrailer = (trailers) => (replayed = trailers.get("idempotency-replayed") === "true");
  const user = await users.updateAccountUser({ id, user: { name }, requestId: key }, { onTrailer });
  return replayed ? `${user.name} (stored)` : user.name;
}

// Returns the fields that a change was refused for, with the code of the error.
export async function refusedFields(users, change) {
  try {
    await users.createAccountUser({ user: change });
  } catch (error) {
    const failure = ConnectError.from(error);
    const [info] = failure.findDetails(ErrorInfoSchema);
    const [bad] = failure.findDetails(BadRequestSchema);
    const fields = bad.fieldViolations.map((violation) => `${violation.field} ${violation.reason}`);
    return [Code[failure.code], info.reason, ...fields].join(", ");
  }
  throw new Error("the change was accepted");
}

// The codes after which `watch` resumes. A lost connection has Aborted in Node, and Unknown in a browser.
const INTERRUPTED = [Code.Unavailable, Code.ResourceExhausted, Code.Aborted, Code.Unknown];

// Calls `onBegin` when no later event is missed, then `onEvent` for each event; resumes after an interruption.
export async function watch(users, { onBegin, onEvent, signal }) {
  let resumeToken = "";
  while (!signal.aborted) {
    const onHeader = (headers) => {
      if (!headers.has("usergateway-resume-token")) return; // the stream is refused
      resumeToken = headers.get("usergateway-resume-token");
      onBegin();
    };
    try {
      for await (const event of users.watchUsers({ resumeToken }, { signal, onHeader })) {
        resumeToken = event.resumeToken;
        onEvent(UserChange[event.change], event.user);
      }
    } catch (error) {
      const failure = ConnectError.from(error);
      const [info] = failure.findDetails(ErrorInfoSchema); // of the gateway: a lost connection has none
      const mayResume = INTERRUPTED.includes(failure.code) && info?.metadata.retryable !== "false";
      if (signal.aborted) return;
      if (failure.code === Code.NotFound) resumeToken = ""; // events were lost: watch anew, then read the users again
      else if (!mayResume) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
