// One collection, five subscribers on five transports, an import of real data, and a server that is
// killed in the middle: all end with the same changes in the same order, and equal positions have
// equal tokens.
//
//     node five_transports.mjs FILE CHANGES      FILE is one of vega-datasets, CHANGES its length

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { check, done, equal, killAndRestart, ok, server } from "./checks.mjs";
import { TRANSPORTS } from "./subscribers.mjs";

const [file, count] = [process.argv[2], Number(process.argv[3])];
const collection = file.replace(/\W.*/, "");

/** What one subscriber has seen. */
class History {
  changes = [];
  tokens = new Map();
  token = null;
  interruptions = 0;
  #waiting = [];

  /** Takes whole commits and the token that stands after the last of them. */
  take(commits, token) {
    for (const { seq, changes } of commits) {
      for (const { path, op } of changes) this.changes.push(`${seq} ${op} ${path}`);
    }
    if (commits.length > 0) this.tokens.set(Number(commits.at(-1).seq), token);
    this.token = token;
    this.#waiting = this.#waiting.filter(({ length, resolve }) => {
      if (this.changes.length < length) return true;
      resolve();
      return false;
    });
  }

  /** Resolves when so many changes were seen. */
  reaches(length) {
    if (this.changes.length >= length) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ length, resolve }));
  }
}

async function startImport() {
  const path = join(process.env.CLIENTS_DATA, file);
  const child = spawn(process.env.WELLSPRING_BINARY, ["import", collection, path], {
    env: { ...process.env, WELLSPRING_SERVER: server },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [status] = await once(child, "exit");
  equal(status, 0, "the import's exit status");
}

const running = new AbortController();
const histories = new Map(Object.keys(TRANSPORTS).map((name) => [name, new History()]));
const started = [];
for (const [name, follow] of Object.entries(TRANSPORTS)) {
  const subscribed = new Promise((resolve) => {
    follow({ collection, history: histories.get(name), signal: running.signal, subscribed: resolve });
  });
  started.push(subscribed);
}
await Promise.all(started);
const each = [...histories.values()];

await check(`an import of ${count} documents survives a kill of the server`, async () => {
  const imported = startImport();
  await Promise.race([imported, histories.get("websocket").reaches(Math.floor(count / 3))]);
  ok(histories.get("websocket").changes.length < count, "the kill came too late");
  await killAndRestart();
  await imported;
});

await check("every subscriber resumes and sees every change", async () => {
  await Promise.all(each.map((history) => history.reaches(count)));
  for (const [name, history] of histories) {
    equal(history.changes.length, count, `${name}: changes`);
    equal(new Set(history.changes).size, count, `${name}: distinct changes`);
    ok(history.interruptions > 0, `${name} was not interrupted`);
  }
});

await check("all see the same changes in the same order", () => {
  const [first, ...others] = each.map(({ changes }) => changes.join("\n"));
  others.forEach((other) => ok(other === first, "two subscribers differ"));
});

await check("equal positions have equal tokens on every transport", () => {
  const known = new Map();
  for (const history of each) {
    for (const [seq, token] of history.tokens) {
      equal(token, known.get(seq) ?? token, `the token at ${seq}`);
      known.set(seq, token);
    }
  }
  const last = each.map(({ tokens }) => Math.max(...tokens.keys()));
  equal(new Set(last).size, 1, `the last positions differ: ${last}`);
});

running.abort();
done();
