// Makes the calls that it reads as JSON, by a client that was generated from the .proto; prints what it was answered.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, folder] = process.argv.slice(2);
const options = { includeDirs: [folder], keepCase: true, enums: String, longs: Number, oneofs: true };
const definition = protoLoader.loadSync("usergateway/v1/users.proto", options);
const known = protoLoader.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"], options);
const { UserService } = grpc.loadPackageDefinition(definition).usergateway.v1;
const client = new UserService(address, grpc.credentials.createInsecure());

function call(method, request, extra = {}) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(extra)) metadata.set(name, value);
  metadata.set("x-request-id", `node-${method}`);
  return new Promise((resolve) => {
    let said;
    const begun = client[method](request, metadata, { deadline: Date.now() + 30_000 }, (error, answer) => {
      said = error ? { error: told(error) } : { answer };
    });
    begun.on("status", ({ metadata: trailers }) => {
      const [bytes] = trailers.get("usergateway-freshness-bin");
      const freshness = bytes && definition["usergateway.v1.Freshness"].deserialize(bytes);
      setImmediate(() => resolve({ ...said, trailers: trailers.getMap(), freshness }));
    });
  });
}

// The error's details by their short names, e.g. { ErrorInfo: { reason: … } }.
function told(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = known["google.rpc.Status"].deserialize(bytes);
  const details = status.details.map(({ type_url: url, value }) => {
    const name = url.split("/").pop();
    return [name.split(".").pop(), known[name].deserialize(value)];
  });
  return { code: grpc.status[error.code], message: error.details, details: Object.fromEntries(details) };
}

const said = [];
for (const [method, request, metadata] of JSON.parse(readFileSync(0, "utf8"))) {
  if (request.user?.icon) request.user.icon.content = Buffer.from(request.user.icon.content);
  said.push(await call(method, request, metadata));
}
client.close();
console.log(JSON.stringify(said));
