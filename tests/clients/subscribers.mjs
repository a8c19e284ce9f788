// Five ways to follow a collection, each resuming by its own last token after an interruption.
//
// A follower is `follow({ collection, history, signal, subscribed })`: it calls `subscribed` once
// its position is pinned, then `history.take(commits, token)` for whole commits, until the signal.

import { setTimeout as pause } from "node:timers/promises";
import { EventSource } from "eventsource";

import { server } from "./checks.mjs";
import { changes as grpcChanges } from "./grpc_client.mjs";
import { Connection } from "./ws_client.mjs";

const RETRY_MS = 200;

/** Parts of a commit that was split are kept until the last part is there. */
class Assembler {
  #parts = null;

  whole(commits) {
    const whole = [];
    for (const { more, ...commit } of commits) {
      if (this.#parts === null) this.#parts = { ...commit, changes: [] };
      this.#parts.changes.push(...commit.changes);
      if (more) continue;
      whole.push(this.#parts);
      this.#parts = null;
    }
    return whole;
  }
}

/** Runs one connection after another until the signal; the end of one is an interruption. */
async function keepConnecting({ history, signal }, connect) {
  while (!signal.aborted) {
    await connect(new Assembler()).catch((error) => {
      if (!signal.aborted) console.log(`interrupted: ${error.message}`);
    });
    history.interruptions += 1;
    await pause(RETRY_MS);
  }
}

/** The response, if it is what was asked for. */
async function request(url, options) {
  const response = await fetch(url, options);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

function receiver({ history, subscribed }, assembler) {
  return (message) => {
    if (message.type === "error" || message.type === "ended") {
      console.log(`a subscription failed: ${JSON.stringify(message)}`);
    }
    if (message.type === "changes") history.take(assembler.whole(message.commits), message.token);
    else if (message.token) history.take([], message.token);
    if (message.type === "subscribed") subscribed();
  };
}

function websocket(subscriber) {
  const { collection, history, signal } = subscriber;
  return keepConnecting(subscriber, async (assembler) => {
    const connection = await Connection.open();
    const receive = receiver(subscriber, assembler);
    const from = history.token ? { token: history.token } : { now: true };
    const ended = new Promise((resolve) => connection.socket.on("close", resolve));
    signal.addEventListener("abort", () => connection.close());
    connection.socket.removeAllListeners("message");
    connection.socket.on("message", (text) => receive(JSON.parse(text)));
    connection.send({ type: "subscribe", id: "s", collection, from });
    await ended;
  });
}

function grpc(subscriber) {
  const { collection, history, signal } = subscriber;
  return keepConnecting(subscriber, async (assembler) => {
    const receive = receiver(subscriber, assembler);
    const from = history.token ? { token: history.token } : { now: true };
    const stream = grpcChanges.Subscribe({ collection, from });
    signal.addEventListener("abort", () => stream.cancel());
    stream.on("data", (response) => receive(asJson(response)));
    await new Promise((resolve) => stream.on("status", resolve).on("error", () => {}));
  });
}

/** A gRPC message in the form of the other transports. */
function asJson(response) {
  const [type] = Object.keys(response);
  const message = { type, ...response[type] };
  for (const commit of message.commits ?? []) {
    for (const change of commit.changes) change.op = change.op.replace("OP_", "").toLowerCase();
  }
  return message;
}

/** EventSource reconnects by itself, with Last-Event-ID. */
function sse(subscriber) {
  const { collection, history, signal } = subscriber;
  const source = new EventSource(`${server}/v1/changes/${collection}?from=now`);
  let receive = receiver(subscriber, new Assembler());
  source.onmessage = ({ data }) => receive(JSON.parse(data));
  source.onerror = () => {
    history.interruptions += 1;
    receive = receiver(subscriber, new Assembler());
  };
  signal.addEventListener("abort", () => source.close());
}

function position(history) {
  return history.token ? `after=${history.token}` : "from=now";
}

function ndjson(subscriber) {
  const { collection, history, signal } = subscriber;
  return keepConnecting(subscriber, async (assembler) => {
    const receive = receiver(subscriber, assembler);
    const url = `${server}/v1/changes/${collection}?${position(history)}`;
    const headers = { accept: "application/x-ndjson" };
    const response = await request(url, { headers, signal });
    let text = "";
    for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + bytes).split("\n");
      text = lines.pop();
      for (const line of lines.filter(Boolean)) receive(JSON.parse(line));
    }
  });
}

function longPoll(subscriber) {
  const { collection, history, signal } = subscriber;
  return keepConnecting(subscriber, async (assembler) => {
    const receive = receiver(subscriber, assembler);
    while (!signal.aborted) {
      const wait = history.token ? "25s" : "0";
      const url = `${server}/v1/changes/${collection}?${position(history)}&wait=${wait}`;
      const page = await (await request(url, { signal })).json();
      page.messages.forEach(receive);
      history.take([], page.token);
      subscriber.subscribed();
    }
  });
}

export const TRANSPORTS = { websocket, grpc, sse, ndjson, "long-poll": longPoll };
