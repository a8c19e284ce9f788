// ws, untouched, for five minutes in which the application says nothing: the connection and its
// subscription must live on. Nothing here answers pings; the library does.

import { setTimeout as pause } from "node:timers/promises";

import { changesOf, check, commit, done, equal, ok, set } from "./checks.mjs";
import { Connection } from "./ws_client.mjs";

const SILENCE_MS = 5 * 60_000;

await check("after five minutes of silence a change arrives and a request is answered", async () => {
  const connection = await Connection.open();
  let closed = null;
  connection.socket.on("close", (code) => (closed = code));
  connection.send({ type: "subscribe", id: "s", collection: "quiet" });
  await connection.next("subscribed");
  await pause(SILENCE_MS);
  equal(closed, null);
  await commit([set("quiet/1", {})]);
  let checkpoints = 0;
  let message = await connection.messages.next();
  for (; message.type === "checkpoint"; message = await connection.messages.next()) checkpoints += 1;
  ok(checkpoints >= SILENCE_MS / 25_000 - 1, `${checkpoints} checkpoints came meanwhile`);
  equal([message.type, changesOf(message.commits)], ["changes", [["quiet/1", "insert"]]]);
  connection.send({ type: "get", id: "g", path: "quiet/1" });
  equal((await connection.next("result")).document.path, "quiet/1");
  connection.close();
});

done();
