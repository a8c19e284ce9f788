// ws: requests and the feed over one WebSocket, and what becomes of bad input.

import { once } from "node:events";
import WebSocket from "ws";

import { address, changesOf, check, commit, done, equal, ok, set, within } from "./checks.mjs";
import { Connection, PROTOCOL } from "./ws_client.mjs";

await check("hello is answered by welcome, with limits and features", async () => {
  const connection = await Connection.open();
  const { type, epoch, seq, heartbeat_ms, features, limits } = connection.welcome;
  equal([type, typeof epoch, typeof seq, heartbeat_ms], ["welcome", "string", "number", 25000]);
  ok(Array.isArray(features));
  equal([limits.message_bytes, limits.subscriptions], [4194304, 128]);
  equal(connection.socket.protocol, PROTOCOL);
  connection.close();
});

await check("no subprotocol counts as v1, only unknown ones are refused with 400", async () => {
  const bare = new WebSocket(`ws://${address}/v1/ws`);
  await within(once(bare, "open"), "open");
  bare.terminate();
  const strange = new WebSocket(`ws://${address}/v1/ws`, "soap.v9");
  const [, response] = await within(once(strange, "unexpected-response"), "a refusal");
  equal(response.statusCode, 400);
  strange.on("error", () => {});
  strange.terminate();
});

await check("commit, get and query are answered by id", async () => {
  const connection = await Connection.open();
  connection.send({ type: "commit", id: "c", writes: [set("rooms/1", { topic: "tea" })] });
  const { id, seq, paths } = await connection.next("result");
  equal([id, paths], ["c", ["rooms/1"]]);
  connection.send({ type: "get", id: "g", path: "rooms/1" });
  const got = await connection.next("result");
  equal([got.id, got.document.version, got.document.data], ["g", seq, { topic: "tea" }]);
  connection.send({ type: "query", id: "q", collection: "rooms", where: { topic: "tea" } });
  const { documents } = await connection.next("result");
  equal(documents.map(({ path }) => path), ["rooms/1"]);
  connection.close();
});

await check("get and query take at, and history gives the versions", async () => {
  const connection = await Connection.open();
  const first = await commit([set("past/1", { n: 1 })]);
  await commit([set("past/1", { n: 2 })]);
  const at = { seq: first.seq };
  connection.send({ type: "get", id: "g", path: "past/1", at });
  const got = await connection.next("result");
  equal([got.seq, got.document.data], [first.seq, { n: 1 }]);
  connection.send({ type: "query", id: "q", collection: "past", at });
  const { documents } = await connection.next("result");
  equal(documents.map(({ data }) => data), [{ n: 1 }]);
  connection.send({ type: "history", id: "h", path: "past/1" });
  const { versions } = await connection.next("result");
  equal(versions.map(({ op, data }) => [op, data]), [["update", { n: 2 }], ["insert", { n: 1 }]]);
  connection.close();
});

await check("numbers come back digit for digit", async () => {
  const connection = await Connection.open();
  const data = '{"a":9007199254740993,"b":123456789012345678901234567890,"c":1.10}';
  const raw = new Promise((resolve) => connection.socket.on("message", (text) => {
    if (String(text).includes('"g"')) resolve(String(text));
  }));
  const write = `{"op":"set","path":"rooms/digits","data":${data}}`;
  connection.socket.send(`{"type":"commit","id":"c","writes":[${write}]}`);
  await connection.next("result");
  connection.send({ type: "get", id: "g", path: "rooms/digits" });
  ok((await within(raw, "the document")).includes(data));
  connection.close();
});

await check("a snapshot, current, then changes with old and filter causes", async () => {
  await commit([set("votes/a", { open: true }), set("votes/b", { open: false })]);
  const connection = await Connection.open();
  const where = { open: true };
  const from = { snapshot: true };
  connection.send({ type: "subscribe", id: "s", collection: "votes", where, from, old: true });
  equal((await connection.next("subscribed")).how, "snapshot");
  const { documents } = await connection.next("snapshot");
  equal(documents.map(({ path }) => path), ["votes/a"]);
  await connection.next("current");
  await commit([set("votes/a", { open: false })]);
  const [change] = (await connection.next("changes")).commits[0].changes;
  equal([change.op, change.cause, change.old], ["delete", "filter", { open: true }]);
  await commit([set("votes/b", { open: true })]);
  const [entered] = (await connection.next("changes")).commits[0].changes;
  equal([entered.op, entered.cause, entered.data], ["insert", "filter", { open: true }]);
  connection.close();
});

await check("a result comes after its changes on the same connection", async () => {
  const connection = await Connection.open();
  connection.send({ type: "subscribe", id: "s", collection: "own" });
  await connection.next("subscribed");
  for (let n = 0; n < 50; n += 1) {
    connection.send({ type: "commit", id: `c${n}`, writes: [set(`own/${n}`, { n })] });
  }
  const seen = new Set();
  for (let results = 0; results < 50; ) {
    const message = await connection.messages.next();
    if (message.type === "changes") message.commits.forEach(({ seq }) => seen.add(seq));
    else if (message.type === "result") {
      ok(seen.has(message.seq), `result ${message.seq} came before its change`);
      results += 1;
    }
  }
  connection.close();
});

await check("a token goes on where it stands", async () => {
  const connection = await Connection.open();
  connection.send({ type: "subscribe", id: "s", collection: "resumed" });
  const { token } = await connection.next("subscribed");
  connection.close();
  await commit([set("resumed/1", {})]);
  await commit([{ op: "delete", path: "resumed/1" }]);
  const again = await Connection.open();
  again.send({ type: "subscribe", id: "s", collection: "resumed", from: { token } });
  equal((await again.next("subscribed")).how, "resumed");
  const found = [];
  while (found.length < 2) found.push(...changesOf((await again.next("changes")).commits));
  equal(found, [["resumed/1", "insert"], ["resumed/1", "delete"]]);
  again.close();
});

await check("a bad request is an error by its id and the connection lives on", async () => {
  const connection = await Connection.open();
  const write = { ...set("rooms/bad", {}), if_verson: 1 };
  connection.send({ type: "commit", id: "bad", writes: [write] });
  const error = await connection.next("error");
  equal([error.id, error.code, error.retry], ["bad", "invalid_argument", "never"]);
  ok(error.message.includes("if_verson"), error.message);
  connection.send({ type: "get", id: "g", path: "rooms/bad" });
  equal((await connection.next("error")).code, "not_found");
  connection.send({ type: "ping", n: 7 });
  equal((await connection.next("pong")).n, 7);
  connection.close();
});

await check("an id in use is refused and the first subscription goes on", async () => {
  const connection = await Connection.open();
  connection.send({ type: "subscribe", id: "s", collection: "twice" });
  await connection.next("subscribed");
  connection.send({ type: "subscribe", id: "s", collection: "twice" });
  equal((await connection.next("error")).id, "s");
  await commit([set("twice/1", {})]);
  equal(changesOf((await connection.next("changes")).commits), [["twice/1", "insert"]]);
  connection.close();
});

await check("after unsubscribe nothing comes", async () => {
  const connection = await Connection.open();
  connection.send({ type: "subscribe", id: "s", collection: "left" });
  await connection.next("subscribed");
  connection.send({ type: "unsubscribe", id: "s" });
  await connection.next("result");
  await commit([set("left/1", {})]);
  connection.send({ type: "ping", n: 1 });
  await connection.next("pong");
  connection.close();
});

await check("a ping frame is answered by a pong frame", async () => {
  const connection = await Connection.open();
  connection.socket.ping("here");
  const [payload] = await within(once(connection.socket, "pong"), "pong");
  equal(String(payload), "here");
  connection.close();
});

await check("a message over 4 MiB closes with 1009", async () => {
  const connection = await Connection.open();
  connection.socket.on("error", () => {});
  connection.send({ type: "ping", n: "x".repeat(4 << 20) });
  equal(await connection.closed(), 1009);
});

await check("what is not JSON closes with 4400 or is an error", async () => {
  const connection = await Connection.open();
  const closed = once(connection.socket, "close").then(([code]) => code);
  connection.socket.send("{nonsense");
  const answer = connection.messages.next("error").then(({ type, code }) => `${type} ${code}`);
  const outcome = await Promise.race([closed, answer.catch(() => closed)]);
  ok(outcome === 4400 || outcome === "error invalid_argument", String(outcome));
  connection.close();
});

await check("a client that never says hello is closed with 4408", async () => {
  const silent = new WebSocket(`ws://${address}/v1/ws`, PROTOCOL);
  const [code] = await within(once(silent, "close"), "close");
  equal(code, 4408);
});

done();
