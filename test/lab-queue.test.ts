import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Queue, QueueEvents } from "bullmq";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "./free-port.testing.ts";
import { Processes, server } from "./redis.testing.ts";

const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
/** Enough items that some are unanswered when a busy machine kills a worker or the queue. */
const ITEMS = 250;
const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-queue-"));
const task = path.join(folder, "mine.jsonl");
const processes = new Processes(folder);
/** The run of one process. */
const own = path.join(folder, "own");
let alone: ChildProcess;

if (!server) console.info("the lab's queue is not tested: there is neither redis-server nor valkey-server");

beforeAll(() => {
  const item = (_: unknown, i: number) => ({
    prompt: `${"abc ".repeat(20 + (i % 60))}a`,
    choices: ["d", "ef", "ghi"],
    gold: i % 3,
  });
  const lines = Array.from({ length: ITEMS }, item).map((i) => `${JSON.stringify(i)}\n`);
  writeFileSync(task, lines.join(""));
  alone = run(own);
});
afterAll(() => {
  processes.kill();
  rmSync(folder, { recursive: true });
});

const modicum = (...words: string[]) => processes.modicum(["lab", ...words]);
/** A worker without a folder for prepared weights. */
const unfit = (url: string) => processes.modicum(["lab", "worker", "--queue", url], { MODICUM_HOME: task });
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

/** The results without timings and without the command. */
function lasting(out: string): unknown {
  const { created, command, recipes, ...rest } = JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8"));
  return { ...rest, recipes: recipes.map(({ ms_per_item: _, ...recipe }: { ms_per_item: number }) => recipe) };
}

/** Stops a worker by `end`; returns the items of its job once the queue assigns it to another. */
async function givenBack(url: string, end: () => void): Promise<string[]> {
  const connection = { url };
  const [queue, events] = [new Queue("modicum-lab", { connection }), new QueueEvents("modicum-lab", { connection })];
  await events.waitUntilReady();
  const stalled = new Promise<string>((resolve) => events.on("stalled", ({ jobId }) => resolve(jobId)));
  end();
  const job = await queue.getJob(await stalled);
  await Promise.all([queue.close(), events.close()]);
  return job!.data.items.map(({ id }: { id: string }) => id);
}

/** The run answered every item once, with the results of one process. */
async function expectSame(out: string): Promise<void> {
  if (alone.exitCode === null) await once(alone, "close");
  expect(lasting(out)).toEqual(lasting(own));
  const results = answered(out);
  expect(new Set(results.map((r) => `${r.recipe} ${r.item}`)).size).toBe(results.length);
  expect(results.length).toBe(2 * ITEMS);
}

test.skipIf(!server).concurrent(
  "three workers, one killed, and a Redis that ends and forgets: the same results as in one process",
  async () => {
    const shared = path.join(folder, "shared");
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let store = processes.redis(port);
    const workers = [1, 2, 3].map(() => modicum("worker", "--queue", url));
    await until(() => workers.every((worker) => worker.said().includes("joined the queue")));
    const handing = run(shared, "--queue", url);
    await until(() => answered(shared).length >= 8);
    let atDeath: ReturnType<typeof answered> = [];
    const held = await givenBack(url, () => {
      workers[0]!.kill("SIGKILL");
      atDeath = answered(shared);
    });
    expect(held).not.toHaveLength(0);
    expect(atDeath.filter(({ item }) => held.includes(item))).toEqual([]);
    await until(() => answered(shared).length >= ITEMS + 8);
    store.kill("SIGKILL");
    await until(() => handing.said().includes("is unreachable; waiting for it"));
    store = processes.redis(port);
    const [code] = await once(handing, "close");
    expect([code, handing.said()]).toEqual([0, expect.stringContaining("is back")]);
    workers[1]!.kill("SIGINT");
    expect(await once(workers[1]!, "close")).toEqual([0, null]);
    expect(workers[1]!.said()).toMatch(/left the queue; \d+ items answered\n$/);
    await expectSame(shared);
  },
  600_000,
);

test.skipIf(!server).concurrent(
  "an unfit worker returns its job and leaves; a killed run resumes; three unfit workers end one",
  async () => {
    const killed = path.join(folder, "killed");
    const url = `redis://127.0.0.1:${await freePort()}`;
    processes.redis(Number(new URL(url).port));
    const bad = unfit(url);
    await until(() => bad.said().includes("joined the queue"));
    let handing = run(killed, "--queue", url);
    expect(await once(bad, "close")).toEqual([1, null]);
    expect(bad.said()).toMatch(/left the queue; 0 items answered\nerror: .*mine\.jsonl.*\n$/);
    await until(() => /a worker leaves: .*mine\.jsonl/.test(handing.said()));
    const good = modicum("worker", "--queue", url);
    await until(() => answered(killed).length >= 8);
    handing.kill("SIGKILL");
    await once(handing, "close");
    handing = run(killed, "--queue", url, "--resume");
    expect(await once(handing, "close")).toEqual([0, null]);
    await expectSame(killed);
    good.kill("SIGINT");
    await once(good, "close");

    // Redis still has the answers of the earlier quantisation.
    handing = run(path.join(folder, "refused"), "--queue", url, "--quant", "f32");
    for (const _ of [1, 2, 3]) unfit(url);
    expect(await once(handing, "close")).toEqual([1, null]);
    expect(handing.said().match(/a worker leaves: .*mine\.jsonl/g)).toHaveLength(3);
    expect(handing.said()).toMatch(
      /error: 3 workers have refused the jobs and left, and no other worker is connected\n$/,
    );
  },
  600_000,
);

test.concurrent("an address where nothing answers, and one of another kind, are one sentence", async () => {
  for (const [url, sentence] of [
    [`redis://127.0.0.1:${await freePort()}`, /^error: redis:\/\/127\.0\.0\.1:\d+ does not answer: .*\n$/],
    ["http://127.0.0.1", /^error: --queue: expected redis:\/\/host:port, got "http:\/\/127\.0\.0\.1"\n/],
  ] as const) {
    const worker = modicum("worker", "--queue", url);
    await once(worker, "close");
    expect(worker.said()).toMatch(sentence);
  }
}, 120_000);
