// eventsource: the EventSource API against the feed, through a kill of the server.

import { EventSource } from "eventsource";

import {
  Queue, changesOf, check, commit, done, equal, killAndRestart, server, set, within,
} from "./checks.mjs";

function open(query) {
  const messages = new Queue();
  const source = new EventSource(`${server}/v1/changes/notes?${query}`);
  source.onmessage = ({ data, lastEventId }) => {
    messages.push({ ...JSON.parse(data), lastEventId });
  };
  return { source, messages };
}

async function untilType(messages, type) {
  for (;;) {
    const message = await messages.next(type);
    if (message.type === type) return message;
  }
}

await check("messages arrive by onmessage, with their token as the event's id", async () => {
  await commit([set("notes/0", { n: 0 })]);
  const { source, messages } = open("from=snapshot");
  equal((await messages.next()).type, "subscribed");
  equal((await messages.next()).documents.map(({ path }) => path), ["notes/0"]);
  const current = await messages.next();
  equal([current.type, current.lastEventId], ["current", current.token]);
  source.close();
});

await check("a killed server is resumed by Last-Event-ID, nothing lost, nothing twice", async () => {
  const { source, messages } = open("from=now");
  await untilType(messages, "subscribed");
  const expected = [];
  const write = async (from, to) => {
    for (let n = from; n < to; n += 1) {
      await commit([set(`notes/k${n}`, { n })]);
      expected.push([`notes/k${n}`, "insert"]);
    }
  };
  await write(0, 20);
  const found = [];
  while (found.length < 10) found.push(...changesOf((await untilType(messages, "changes")).commits));
  await killAndRestart();
  await write(20, 40);
  while (found.length < 40) found.push(...changesOf((await untilType(messages, "changes")).commits));
  equal(found, expected);
  source.close();
});

await check("a connection without a request that makes sense fails for good", async () => {
  const source = new EventSource(`${server}/v1/changes/notes?form=now`);
  const failed = new Promise((resolve) => (source.onerror = resolve));
  const { code } = await within(failed, "an error");
  equal([code, source.readyState], [400, EventSource.CLOSED]);
});

done();
