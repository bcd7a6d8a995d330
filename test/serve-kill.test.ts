/** `modicum serve` killed during requests: the ledger has the receipt of every answer except those in flight. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Postgres, postgresPrograms } from "../src/ledger/postgres.testing.ts";
import { openLedger } from "../src/ledger/store.ts";
import { jsonOf } from "../src/serve/serve.testing.ts";

const CLIENTS = 6;
const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const model = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "serve-kill-"));
afterAll(() => rmSync(home, { recursive: true }));

/** Starts a server and, once it is ready, returns its address and a function that kills it. */
async function start(ledger: string): Promise<{ url: string; kill(): Promise<void> }> {
  const words = [bin, "serve", "--port", "0", "--model", `tiny=${model}`, "--ledger", ledger];
  const env = { ...process.env, MODICUM_HOME: home };
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"], env });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let log = "";
  child.stderr.on("data", (data) => {
    log += data;
  });
  await expect.poll(() => log).toContain('"ready"');
  const url = /"url":"([^"]+)"/.exec(log)![1]!;
  const kill = () => {
    child.kill("SIGKILL");
    return ended;
  };
  return { url, kill };
}

/** Sends requests until the server is gone, and records the ids of returned receipts. */
async function ask(url: string, ids: string[]): Promise<void> {
  // Long enough for an answer to take longer than writing its receipt, even in Postgres and on a busy machine.
  const body = JSON.stringify({
    model: "tiny",
    prompt: "abc",
    max_tokens: 100,
    n: 4,
    temperature: 0,
    repetition_detection: false,
  });
  const headers = { "content-type": "application/json" };
  for (;;) {
    const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body })
      .then((response) => jsonOf(response))
      .catch(() => undefined);
    if (!answer) return;
    ids.push(answer.receipt.id);
  }
}

async function check(place: string): Promise<void> {
  const answered: string[] = [];
  for (const rounds of [1, 3]) {
    const { url, kill } = await start(place);
    const ids: string[] = [];
    const clients = Array.from({ length: CLIENTS }, () => ask(url, ids));
    await expect.poll(() => ids.length, { interval: 1 }).toBeGreaterThan(rounds * CLIENTS);
    await kill();
    await Promise.all(clients);
    answered.push(...ids);
  }
  const ledger = await openLedger(place);
  const storedIds = new Set((await ledger.list()).map(({ id }) => id));
  await ledger.close();
  const lost = answered.filter((id) => !storedIds.has(id));
  expect(lost.length).toBeLessThanOrEqual(2 * CLIENTS);
  expect(storedIds.size - (answered.length - lost.length)).toBeLessThanOrEqual(2 * CLIENTS);
}

test("kill -9 under load costs an SQLite ledger at most the requests in flight", async () => {
  await check(path.join(home, "receipts.db"));
}, 240_000);

describe.runIf(postgresPrograms)("with Postgres, if this machine has one", () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await Postgres.start();
  });
  afterAll(() => postgres.stop());

  test("kill -9 under load costs the ledger at most the requests in flight", async () => {
    await check(await postgres.database());
  }, 240_000);
});
