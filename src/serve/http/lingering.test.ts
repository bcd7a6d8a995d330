import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveModels, type Testing, TINY } from "../serve.testing.ts";

let server: Testing;
beforeAll(async () => {
  server = await serveModels(TINY.slice(0, 1));
});
afterAll(() => server.stop(0));

const PIECE = Buffer.alloc(1 << 16, " ");
/** 20 MB; the limit is 8. */
const PIECES = 320;
const port = () => Number(new URL(server.url).port);
const json = { "content-type": "application/json" };

/** A client that reads nothing before it has sent everything. */
async function sendAll(headers: string[], frame: (piece: Buffer) => (string | Buffer)[], end: string): Promise<Socket> {
  const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen: true });
  socket.pause();
  const write = promisify((data: string | Buffer, sent: (error?: Error | null) => void) => socket.write(data, sent));
  await write(
    ["POST /v1/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json", ...headers, "", ""].join(
      "\r\n",
    ),
  );
  for (let i = 0; i < PIECES; i++) await write(Buffer.concat(frame(PIECE).map((part) => Buffer.from(part))));
  await write(end);
  return socket;
}
const whole = () => ({
  headers: [`Content-Length: ${PIECES * PIECE.length}`],
  frame: (piece: Buffer) => [piece],
  end: "",
});
const chunked = () => ({
  headers: ["Transfer-Encoding: chunked"],
  frame: (piece: Buffer) => [`${piece.length.toString(16)}\r\n`, piece, "\r\n"],
  end: "0\r\n\r\n",
});

describe("the answer to a body that is too large reaches a client that reads only after sending", () => {
  test.each([
    ["of known length, and ends the connection", whole, "Connection: close", 1],
    ["of chunks, and ends the connection", chunked, "Connection: close", 1],
    ["of known length, and goes on with the connection", whole, "Connection: keep-alive", 2],
    ["of chunks, and goes on with the connection", chunked, "Connection: keep-alive", 2],
  ])("%s", async (_, body, connection, answers) => {
    const { headers, frame, end } = body();
    const socket = await sendAll([...headers, connection], frame, end);
    if (answers === 2) socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let output = "";
    socket.on("data", (data) => {
      output += data;
    });
    await once(socket.resume(), "end");
    expect(output.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"].slice(0, answers));
    expect(output).toContain("the body has more than 8388608 bytes");
    socket.destroy();
  });
});

test("fetch gets the answer to a chunked body that is too long", async () => {
  let remaining = PIECES;
  const body = new ReadableStream({
    pull(controller) {
      if (remaining-- > 0) controller.enqueue(new Uint8Array(PIECE));
      else controller.close();
    },
  });
  const init = { method: "POST", headers: json, body, duplex: "half" } as const;
  expect((await fetch(`${server.url}/v1/completions`, init)).status).toBe(413);
});

test.runIf(spawnSync("curl", ["--version"]).status === 0).each([["Transfer-Encoding: chunked"], ["Connection: close"]])(
  "curl gets it with %s, sent from its input",
  async (header) => {
    const words = ["-sS", "-X", "POST", "-T", "-", "-H", "Content-Type: application/json", "-H", header];
    const curl = spawn("curl", [...words, "-m", "60", "-w", "%{http_code}", `${server.url}/v1/completions`]);
    curl.stdin.on("error", () => {}).end(Buffer.alloc(PIECES * PIECE.length, " "));
    const [output, faults] = await Promise.all([text(curl.stdout), text(curl.stderr)]);
    expect([output.slice(-3), faults]).toEqual(["413", ""]);
  },
);

test("a client that never stops sending is cut off", async () => {
  const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen: true });
  const cut = new Promise<void>((resolve) => socket.on("error", () => {}).on("close", () => resolve()));
  socket.write("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n");
  const send = () => {
    if (!socket.destroyed) socket.write(PIECE, () => setImmediate(send));
  };
  send();
  await cut;
});
