// @grpc/grpc-js: a second gRPC implementation, streaming and unary.

import { once } from "node:events";

import { Queue, changesOf, check, done, equal, ok, within } from "./checks.mjs";
import { changes, documents, grpc, send } from "./grpc_client.mjs";

const set = (path, json) => ({ op: "WRITE_OP_SET", path, data: { json } });

await check("a commit is written and read back, digit for digit", async () => {
  const json = '{"a":9007199254740993,"c":1.10}';
  const { seq } = await send(documents, "Commit", { writes: [set("rooms/1", json)] });
  const { document } = await send(documents, "GetDocument", { path: "rooms/1" });
  equal([document.data.json, document.version], [json, seq]);
});

await check("the feed streams changes, and ends when the client cancels", async () => {
  const stream = changes.Subscribe({ collection: "feed", from: { now: true } });
  const messages = new Queue();
  stream.on("data", (message) => messages.push(message));
  const ended = new Promise((resolve) => stream.on("status", resolve).on("error", () => {}));
  equal((await messages.next()).subscribed.how, "HOW_LIVE");
  for (const n of [1, 2, 3]) await send(documents, "Commit", { writes: [set(`feed/${n}`, "{}")] });
  const found = [];
  while (found.length < 3) found.push(...changesOf((await messages.next()).changes.commits));
  equal(found, [["feed/1", "OP_INSERT"], ["feed/2", "OP_INSERT"], ["feed/3", "OP_INSERT"]]);
  stream.cancel();
  equal((await within(ended, "the end")).code, grpc.status.CANCELLED);
});

await check("a refusal carries its code and advice in the details", async () => {
  const request = { path: "rooms/absent" };
  const error = await send(documents, "GetDocument", request).catch((error) => error);
  equal(error.code, grpc.status.NOT_FOUND);
  const details = Buffer.concat(error.metadata.get("grpc-status-details-bin")).toString("latin1");
  ok(details.includes("not_found") && details.includes("wellspring"), details);
});

await check("grpc-timeout ends a stream with DEADLINE_EXCEEDED", async () => {
  const stream = changes.Subscribe({ collection: "feed" }, { deadline: Date.now() + 1000 });
  stream.on("data", () => {});
  const [error] = await once(stream, "error");
  equal(error.code, grpc.status.DEADLINE_EXCEEDED);
});

done();
