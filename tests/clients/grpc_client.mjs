// The services of proto/ through @grpc/grpc-js; 64-bit integers as strings, enums by name.

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

import { address } from "./checks.mjs";

const files = ["wellspring/v1/documents.proto", "wellspring/v1/changes.proto"];
const options = { includeDirs: ["proto"], keepCase: true, longs: String, enums: String };
const { wellspring } = grpc.loadPackageDefinition(loader.loadSync(files, options));
const credentials = grpc.credentials.createInsecure();

export { grpc };
export const documents = new wellspring.v1.Documents(address, credentials);
export const changes = new wellspring.v1.Changes(address, credentials);

/** A unary call as a promise. */
export function send(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}
