type Request = { query?: string | undefined; variables: Record<string, unknown>; [name: string]: unknown };
type Options = { headers?: Record<string, string>; signal?: AbortSignal; onProgress?: (share: number) => void };

/** Whether an operation has to be sent as a multipart request. */
export const hasFiles = (variables: Record<string, unknown>) => Object.values(variables).some((value) => value instanceof File);

/** Sends an operation with files among its variables, by the GraphQL multipart request specification. */
export async function sendMultipart<Result>(url: string, request: Request, options: Options = {}): Promise<Result> {
  const files = Object.entries(request.variables).filter(([, value]) => value instanceof File);
  const form = new FormData();
  const variables = { ...request.variables, ...Object.fromEntries(files.map(([name]) => [name, null])) };
  form.append("operations", JSON.stringify({ ...request, variables }));
  form.append("map", JSON.stringify(Object.fromEntries(files.map(([name]) => [name, [`variables.${name}`]]))));
  for (const [name, file] of files) form.append(name, file as File);

  // Pages of other sites can send a form, but not this header. With it the gateway need not know the page's origin.
  const headers = { "GraphQL-Require-Preflight": "1", Accept: "application/graphql-response+json", ...options.headers };
  const { signal = null, onProgress } = options;
  const response = await uploading(onProgress)(url, { method: "POST", headers, body: form, signal });
  return await response.json().catch(() => Promise.reject(new Error(`HTTP status ${response.status}`)));
}

/** Returns a function like `fetch` that reports which share of a body was sent, from 0 to 1: `fetch` does not. */
export const uploading = (onProgress?: (share: number) => void): typeof fetch => (url, init = {}) =>
  new Promise((resolve, reject) => {
    const http = new XMLHttpRequest();
    http.open(init.method ?? "GET", String(url));
    new Headers(init.headers).forEach((value, name) => http.setRequestHeader(name, value));
    http.upload.onprogress = ({ loaded, total }) => onProgress?.(loaded / total);
    http.onload = () => {
      const headers = { "Content-Type": http.getResponseHeader("Content-Type") ?? "" };
      resolve(new Response(http.responseText, { status: http.status, headers }));
    };
    http.onerror = () => reject(new TypeError("connection lost"));
    init.signal?.addEventListener("abort", () => http.abort());
    http.send(init.body as FormData);
  });
