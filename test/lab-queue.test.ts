import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../bin/modicum.js", import.meta.url));
const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
const ITEMS = 120;
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-queue-"));
const task = path.join(folder, "mine.jsonl");
const children: ChildProcess[] = [];

const server = ["redis-server", "valkey-server"].find((name) => {
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});
if (!server) console.info("the lab's queue is not tested: there is neither redis-server nor valkey-server");

beforeAll(() => {
  const item = (_: unknown, i: number) => ({
    prompt: `${"abc ".repeat(20 + (i % 60))}a`,
    choices: ["d", "ef", "ghi"],
    gold: i % 3,
  });
  const lines = Array.from({ length: ITEMS }, item).map((i) => `${JSON.stringify(i)}\n`);
  writeFileSync(task, lines.join(""));
});
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

/** Keeps nothing on disk: what it held is lost when it ends. */
function redis(port: number): ChildProcess {
  return started(server!, ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]);
}

function started(command: string, words: readonly string[]): ChildProcess & { said: () => string } {
  const child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (text += data));
  return Object.assign(child, { said: () => text });
}

const modicum = (...words: string[]) => started(process.execPath, [bin, "lab", ...words]);
const run = (out: string, ...words: string[]) =>
  modicum("run", "--model", tiny, "--task", task, "--recipe", "xattention:threshold=0.9", "--out", out, ...words);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setTimeout(10);
}

const answered = (out: string): { recipe: string; item: string }[] => {
  try {
    return readFileSync(path.join(out, "results.jsonl"), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
};

/** What does not depend on the clock or on the call's words. */
function lasting(out: string): unknown {
  const { created, command, recipes, ...rest } = JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8"));
  return { ...rest, recipes: recipes.map(({ ms_per_item: _, ...recipe }: { ms_per_item: number }) => recipe) };
}

test.skipIf(!server)(
  "three workers, one killed, and a Redis that ends and forgets: the same results as in one process",
  async () => {
    const [own, shared] = [path.join(folder, "own"), path.join(folder, "shared")];
    const alone = run(own);
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let store = redis(port);
    const workers = [1, 2, 3].map(() => modicum("worker", "--queue", url));
    await until(() => workers.every((worker) => worker.said().includes("joined the queue")));
    const handing = run(shared, "--queue", url);
    await until(() => answered(shared).length >= 8);
    workers[0]!.kill("SIGKILL");
    await until(() => answered(shared).length >= ITEMS / 2);
    store.kill("SIGKILL");
    await until(() => handing.said().includes("is gone; waiting for it"));
    store = redis(port);
    const [code] = await once(handing, "close");
    expect([code, handing.said()]).toEqual([0, expect.stringContaining("is back")]);
    workers[1]!.kill("SIGINT");
    expect(await once(workers[1]!, "close")).toEqual([0, null]);
    expect(workers[1]!.said()).toMatch(/left the queue; \d+ items answered\n$/);
    if (alone.exitCode === null) await once(alone, "close");
    expect(lasting(shared)).toEqual(lasting(own));
    const results = answered(shared);
    expect(new Set(results.map((r) => `${r.recipe} ${r.item}`)).size).toBe(results.length);
    expect(results.length).toBe(2 * ITEMS);
  },
  240_000,
);

test("an address where nothing answers, and one of another kind, are one sentence", async () => {
  for (const [url, sentence] of [
    [`redis://127.0.0.1:${await freePort()}`, /^error: redis:\/\/127\.0\.0\.1:\d+ does not answer: .*\n$/],
    ["http://127.0.0.1", /^error: --queue: expected redis:\/\/host:port, got "http:\/\/127\.0\.0\.1"\n/],
  ] as const) {
    const worker = modicum("worker", "--queue", url);
    await once(worker, "close");
    expect(worker.said()).toMatch(sentence);
  }
}, 60_000);
