// What the node scripts share: checks that print one line each, requests, and a queue of messages.
// The runner (`xtask/src/clients/script.rs`) reads the lines `ok NAME`, `not ok NAME: WHY`, `done`.

import { createInterface } from "node:readline";

export const server = process.env.WELLSPRING_SERVER;
export const address = process.env.WELLSPRING_ADDRESS;
export { deepStrictEqual as equal, ok } from "node:assert/strict";

// Longest wait for something that happens at once when all is well.
const PATIENCE_MS = 20_000;

/** A check passes unless its body throws. */
export async function check(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${String(error?.message ?? error).replace(/\s+/g, " ")}`);
  }
}

/** The last word: whatever ends without it has failed. */
export function done() {
  console.log("done");
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Kills the server with SIGKILL; resolves when it serves again, on the same data and port. */
export async function killAndRestart() {
  console.log("!kill-and-restart");
  const { value } = await answers.next();
  if (value !== "ready") throw new Error(`the runner said ${value}`);
}

/** Writes documents in one commit over HTTP; gives its result. */
export async function commit(writes) {
  const response = await fetch(`${server}/v1/commit`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ writes }),
  });
  if (!response.ok) throw new Error(`commit answered ${response.status}: ${await response.text()}`);
  return response.json();
}

export function set(path, data) {
  return { op: "set", path, data };
}

/** Rejects if the promise is not settled in time. */
export function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Messages that came, taken in order by one reader. */
export class Queue {
  #items = [];
  #waiting = null;

  push(item) {
    this.#items.push(item);
    this.#waiting?.();
  }

  async next(what = "a message") {
    while (this.#items.length === 0) {
      const arrival = new Promise((resolve) => (this.#waiting = resolve));
      await within(arrival, what);
    }
    return this.#items.shift();
  }

  get length() {
    return this.#items.length;
  }
}

/** `[path, op]` of each change of some commits. */
export function changesOf(commits) {
  return commits.flatMap(({ changes }) => changes.map(({ path, op }) => [path, op]));
}
