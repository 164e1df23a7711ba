import { createClient } from "graphql-ws";
import { commitMutation, Environment, Network, Observable } from "relay-runtime";
import type { FetchFunction, GraphQLResponse, GraphQLTaggedNode, RequestParameters, Variables } from "relay-runtime";
import type { MutationConfig, MutationParameters } from "relay-runtime";
import { type Failure, isOfChange, reported, unanswered } from "shared/failure";
import { sendMultipart } from "shared/multipart";
import { GATEWAY } from "shared/page";

type ResponseErrors = Parameters<typeof reported>[0];

/** Returns an exception for the errors of a response, like that of Relay for a response without data. */
const exception = (errors: ResponseErrors) => Object.assign(new Error("errors in the response"), { source: { errors } });

function bodyOf({ id, text }: RequestParameters, variables: Variables) {
  // For a gateway that executes the documents of src/gql/persisted-documents.json only: it is sent their hashes.
  const document = import.meta.env.VITE_TRUSTED_DOCUMENTS ? { query: "", documentId: id } : { query: text ?? "" };
  return { ...document, variables, onError: "NULL" }; // a field that fails is null, and nothing around it
}

const fetchResponse: FetchFunction = async (request, variables, { metadata }, files): Promise<GraphQLResponse> => {
  const body = bodyOf(request, variables);
  if (files) return sendMultipart(GATEWAY, { ...body, variables: { ...variables, ...files } }, metadata);
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
  const response = await fetch(GATEWAY, { method: "POST", headers, body: JSON.stringify(body) });
  return response.json();
};

const socket = createClient({
  url: GATEWAY.replace(/^http/, "ws"),
  // Changes made while the connection was lost are not sent later: what is on the page is read again.
  on: { connected: (_socket, _payload, isRetry) => isRetry && dispatchEvent(new Event("reconnected")) },
});

const subscribe = (request: RequestParameters, variables: Variables): Observable<GraphQLResponse> =>
  Observable.create((sink) =>
    socket.subscribe(bodyOf(request, variables), {
      next: (response) => sink.next(response as GraphQLResponse),
      error: (reason) => sink.error(Array.isArray(reason) ? exception(reason) : new Error("connection lost")),
      complete: sink.complete,
    }),
  );

export const environment = new Environment({ network: Network.create(fetchResponse, subscribe) });

/** Sends a mutation; rejects if the response has an error of the change. Other errors are of fields of its result. */
export function commit<Mutation extends MutationParameters>(
  mutation: GraphQLTaggedNode,
  variables: Mutation["variables"],
  more: Pick<MutationConfig<Mutation>, "uploadables" | "cacheConfig"> = {},
): Promise<Mutation["response"]> {
  return new Promise((resolve, reject) =>
    commitMutation<Mutation>(environment, {
      mutation,
      variables,
      ...more,
      onCompleted: (response, errors) => {
        const failures = errors?.filter(isOfChange);
        return failures?.length ? reject(exception(failures)) : resolve(response);
      },
      onError: reject,
    }),
  );
}

/** Returns why an operation failed; the errors of fields are those that `@throwOnFieldError` throws. */
export function failureOf(error: unknown): Failure {
  const { source, fieldErrors } = Object(error);
  const errors: ResponseErrors | undefined = source?.errors ?? fieldErrors?.map((field: any) => field.error);
  return errors ? reported(errors) : unanswered(error);
}
