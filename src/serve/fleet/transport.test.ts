import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventsOf, openTransport, type Transport } from "./transport.ts";

let [server, transport]: [Server, Transport] = [] as never;
/** The number of connections opened, answers finished, and connections closed before their answers finished. */
let [connections, over, ended] = [0, 0, 0];
let answer: (response: ServerResponse) => Promise<unknown> | unknown;

beforeEach(async () => {
  [connections, over, ended] = [0, 0, 0];
  server = createServer((_, response) => {
    response.once("close", () => {
      over++;
      if (!response.writableEnded) ended++;
    });
    void answer(response);
  });
  server.on("connection", () => void connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  transport = await openTransport();
});
afterEach(async () => {
  await transport.close();
  server.closeAllConnections();
  server.close();
});

/** Reads events until `last`. */
async function read(last: string): Promise<string[]> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { signal } = new AbortController();
  const { body } = await transport.send(url, { method: "POST", headers: {}, body: "{}", signal });
  const events: string[] = [];
  for await (const data of eventsOf(body)) if (events.push(data) && data === last) break;
  return events;
}

const say = (response: ServerResponse, ...texts: string[]) => {
  for (const text of texts) response.write(`data: ${text}\n\n`);
};

test.each<[string, (response: ServerResponse) => unknown]>([
  ["at once", (response) => response.end("data: a\n\ndata: [DONE]\n\n")],
  [
    "later",
    async (response) => {
      say(response, "a", "[DONE]");
      await sleep(20);
      response.end(": bye\n\n");
    },
  ],
])("a stream that ends %s after its last event leaves its connection reusable", async (_, ends) => {
  answer = ends;
  for (let i = 0; i < 5; i++) {
    expect(await read("[DONE]")).toEqual(["a", "[DONE]"]);
    await expect.poll(() => over).toBe(i + 1);
    // Gives the client time to read the end of the stream, which has been sent.
    for (let turn = 0; turn < 20; turn++) await setImmediate();
  }
  expect([connections, ended]).toEqual([1, 0]);
});

test.each<[string, string, string[]]>([
  ["is left before its last event", "a", ["a", "b"]],
  ["goes on at length after it", "[DONE]", ["[DONE]", ...Array(20).fill("x".repeat(8192))]],
  ["does not end after it", "[DONE]", ["[DONE]"]],
])("a stream that %s loses its connection", async (_, last, events) => {
  answer = (response) => say(response, ...events);
  expect(await read(last)).toEqual([last]);
  await expect.poll(() => ended).toBe(1);
});

test("a server that breaks off fails the stream", async () => {
  answer = async (response) => {
    say(response, "a");
    await sleep(20);
    response.destroy();
  };
  await expect(read("b")).rejects.toThrow();
});
