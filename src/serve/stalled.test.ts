import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openLedger } from "../ledger/store.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, outlasting, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

/** A request whose answer exceeds the buffers between server and client. */
const MUCH = {
  model: "tiny",
  prompt: Array(64).fill("abc"),
  max_tokens: 200,
  temperature: 0,
  repetition_detection: false,
  logprobs: 5,
  stream: true,
};

/** Requests a stream, and reads only its beginning. */
async function stalled({ url }: Testing): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  const body = JSON.stringify(MUCH);
  const head = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"];
  socket.write([...head, `Content-Length: ${body.length}`, "", body].join("\r\n"));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  return socket;
}

const users = async ({ url }: Testing) => (await jsonOf(fetch(`${url}/v1/models/tiny`))).loaded[0].users;
/** The number of rows in use by running answers. */
const usage = async ({ url }: Testing) =>
  Number(/kv_cache_usage_perc\{[^}]*\} (\S+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);

test("a server stops although a client does not read its stream, which is billed", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-stalled-"));
  const ledger = path.join(folder, "receipts.db");
  const server = await serveModels(TINY.slice(0, 1), { ledger, scheduling: { rows: 16, queue: 64 } });
  const socket = await stalled(server);
  await expect.poll(() => usage(server)).toBe(0);
  expect(await users(server)).toBe(1);
  await server.stop(100);
  const store = await openLedger(ledger);
  expect(await store.list({ limit: 5 })).toMatchObject([{ model: "tiny" }]);
  await store.close();
  socket.destroy();
  rmSync(folder, { recursive: true });
});

test("a client that reads nothing for too long loses its connection, and its request ends; others are answered", async () => {
  const limits = limitOptions.parse({ maxStall: 0.5 });
  const server = await serveModels(TINY.slice(0, 1), { limits, scheduling: { rows: 16, queue: 64 } });
  const socket = await stalled(server);
  await expect.poll(() => users(server)).toBe(0);
  const { data } = await jsonOf(fetch(`${server.url}/v1/receipts`));
  expect(data).toMatchObject([{ model: "tiny" }]);
  expect(data[0].tokens.completion).toBeGreaterThan(0);
  socket.destroy();
  await server.stop(0);
});

test("an answer that takes longer than the stall limit gets all its time", async () => {
  const limits = limitOptions.parse({ maxStall: 0.1 });
  const server = await serveModels(TINY.slice(0, 1), { limits, scheduling: { rows: 16, queue: 10_000 } });
  await outlasting(500, async () => {
    const { choices } = await jsonOf(post(server, "/v1/completions", { ...MUCH, prompt: "abc", stream: false }));
    expect(choices).toHaveLength(1);
  });
  await server.stop(0);
});
