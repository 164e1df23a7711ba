// Follows changes by a client that was generated from the .proto; prints a line of JSON for the beginning and for each
// event, and ends when its input does.
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, folder, request] = process.argv.slice(2);
const options = { includeDirs: [folder], keepCase: true, enums: String, longs: Number, oneofs: true };
const definition = protoLoader.loadSync("usergateway/v1/users.proto", options);
const { UserService } = grpc.loadPackageDefinition(definition).usergateway.v1;
const client = new UserService(address, grpc.credentials.createInsecure());

const watch = client.WatchUsers(JSON.parse(request));
const say = (line) => console.log(JSON.stringify(line));
watch.on("metadata", (metadata) => say({ begun: metadata.getMap() }));
watch.on("data", (event) => say({ event }));
watch.on("error", (error) => say({ ended: grpc.status[error.code] }));
watch.on("status", () => client.close());
process.stdin.on("end", () => watch.cancel()).resume();
