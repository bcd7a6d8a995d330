import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limitOptions } from "../limits.ts";
import { serveModels, type Testing, TINY } from "../serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 1), { limits: limitOptions.parse({ maxArrival: 2, maxBody: 1024 }) });
});
afterAll(() => server.stop(0));

/** Sends `start` on a new connection, which stays open; `reply` is all that the server sends before it closes. */
function open(start: string): { socket: Socket; reply: Promise<string> } {
  const socket = connect({ port: Number(new URL(server.url).port), host: "127.0.0.1", allowHalfOpen: true });
  socket.write(start);
  let text = "";
  socket.on("data", (data) => (text += data));
  const reply = new Promise<string>((resolve) => {
    socket.on("end", () => resolve(text));
    socket.on("error", () => resolve(text));
  });
  return { socket, reply };
}

const post = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const failures = async (status: number): Promise<number> => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`request_failure_total\\{status="${status}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
};

test.each<[string, string, number]>([
  ["what is no HTTP", "HELLO\r\n\r\n", 400],
  ["headers without end", `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}`, 431],
  ["a slow head", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", 408],
  ["a slow body", `${post}Content-Length: 50\r\n\r\n{`, 408],
  ["a slow body of chunks", `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`, 408],
  ["a body of chunks that are none", `${post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
  ["an invalid address", "GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["another expectation", "GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: all\r\n\r\n", 417],
])("%s: its status is sent, counted and logged once", async (_, start, status) => {
  const [before, lines] = [await failures(status), server.logged.length];
  const { socket, reply } = open(start);
  // Node keeps a connection open if it could read the request.
  if (status === 400) socket.end();
  expect((await reply).split(" ")[1]).toBe(String(status));
  socket.destroy();
  await expect.poll(() => failures(status)).toBe(before + 1);
  const entries = server.logged.slice(lines).map((line) => JSON.parse(line));
  expect(entries.filter((line) => line.path !== "/metrics")).toMatchObject([{ status, level: 30 }]);
});

test("a client that keeps its side open after a refusal loses the connection", async () => {
  const { socket, reply } = open("HELLO\r\n\r\n");
  await reply;
  const lost = new Promise((resolve) => socket.once("error", resolve));
  const timer = setInterval(() => socket.write("HELLO"), 100);
  expect(await lost).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  clearInterval(timer);
});

test("a silent connection is closed, and does not count as a failure", async () => {
  const lines = server.logged.length;
  expect(await open("").reply).toBe("");
  expect(server.logged.slice(lines)).toEqual([]);
});

test("a body that is too large is discarded so that its client reads the reason; the connection stays open", async () => {
  const { socket, reply } = open(`${post}Content-Length: 5000000\r\n\r\n`);
  socket.write("x".repeat(5_000_000));
  socket.end("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  expect((await reply).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"]);
});
