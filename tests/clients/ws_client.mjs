// The npm `ws` client, untouched, speaking wellspring.v1.json.

import { once } from "node:events";
import WebSocket from "ws";

import { Queue, address, within } from "./checks.mjs";

export const PROTOCOL = "wellspring.v1.json";

/** An open connection that has said hello and was welcomed. */
export class Connection {
  messages = new Queue();

  static async open() {
    const connection = new Connection();
    connection.socket = new WebSocket(`ws://${address}/v1/ws`, PROTOCOL);
    connection.socket.on("message", (text) => connection.messages.push(JSON.parse(text)));
    await within(once(connection.socket, "open"), "open");
    connection.send({ type: "hello", client: "client-tests/1" });
    connection.welcome = await connection.next("welcome");
    return connection;
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** The next message, which must be of this type. */
  async next(type) {
    const message = await this.messages.next(type);
    if (message.type !== type) throw new Error(`not ${type} but ${JSON.stringify(message)}`);
    return message;
  }

  /** The code that the server closes with. */
  async closed() {
    const [code] = await within(once(this.socket, "close"), "close");
    return code;
  }

  close() {
    this.socket.terminate();
  }
}
