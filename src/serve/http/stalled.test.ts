import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { closeIdle } from "./stalled.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

let server: Server;
/** Both ends of one connection after an answer. */
let [client, served] = [{} as Socket, {} as Socket];
beforeEach(async () => {
  // This timeout is too long to expire during a test.
  server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => response.end("answered"));
  closeIdle(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write(REQUEST);
  [served] = await once(server, "connection");
  await once(client, "data");
});
afterEach(() => {
  client.destroy();
  server.close();
});

test("an idle connection whose time is over is closed", async () => {
  client.resume();
  served.emit("timeout");
  // Without an error.
  expect(await once(client, "close")).toEqual([false]);
});

test("a connection with an unread next request answers it", async () => {
  client.write(REQUEST);
  served.emit("timeout");
  const [answer] = await once(client, "data");
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 .*answered$/s);
});
