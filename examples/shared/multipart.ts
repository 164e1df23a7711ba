type Request = { query?: string | undefined; variables: Record<string, unknown>; [name: string]: unknown };
type Options = { headers?: Record<string, string>; signal?: AbortSignal; onProgress?: (share: number) => void };

/** Whether an operation has to be sent as a multipart request. */
export const hasFiles = (variables: Record<string, unknown>) => Object.values(variables).some((value) => value instanceof File);

/**
 * Sends an operation with files among its variables, by the GraphQL multipart request specification.
 *
 * It uses XMLHttpRequest, since fetch does not report the progress of an upload.
 */
export function sendMultipart<Result>(url: string, request: Request, options: Options = {}): Promise<Result> {
  const files = Object.entries(request.variables).filter(([, value]) => value instanceof File);
  const form = new FormData();
  const variables = { ...request.variables, ...Object.fromEntries(files.map(([name]) => [name, null])) };
  form.append("operations", JSON.stringify({ ...request, variables }));
  form.append("map", JSON.stringify(Object.fromEntries(files.map(([name]) => [name, [`variables.${name}`]]))));
  for (const [name, file] of files) form.append(name, file as File);

  return new Promise((resolve, reject) => {
    const http = new XMLHttpRequest();
    http.open("POST", url);
    // Pages of other sites can send a form, but not this header: the gateway requires it.
    const headers = { "GraphQL-Require-Preflight": "1", Accept: "application/graphql-response+json", ...options.headers };
    for (const [name, value] of Object.entries(headers)) http.setRequestHeader(name, value);
    http.upload.onprogress = ({ loaded, total }) => options.onProgress?.(loaded / total);
    http.onload = () => {
      try {
        resolve(JSON.parse(http.responseText));
      } catch {
        reject(new Error(`HTTP status ${http.status}`));
      }
    };
    http.onerror = () => reject(new Error("connection lost"));
    options.signal?.addEventListener("abort", () => http.abort());
    http.send(form);
  });
}
