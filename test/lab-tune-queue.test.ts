import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, expect, test } from "vitest";
import { freePort } from "./free-port.testing.ts";
import { Processes, type Said, server } from "./redis.testing.ts";

const tiny = fileURLToPath(new URL("../src/models/fixtures/llama-tiny.gguf", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-tune-queue-"));
const processes = new Processes(folder);
afterAll(() => {
  processes.kill();
  rmSync(folder, { recursive: true });
});
if (!server) console.info("tuning on a queue is not tested: there is neither redis-server nor valkey-server");

const task = path.join(folder, "mine.jsonl");
const candidates = path.join(folder, "candidates.txt");
const home = (name: string) => ({ MODICUM_HOME: path.join(folder, name) });

/** A tuning of drawn answers. FLOPs are the same in every run, unlike milliseconds. */
const tune = (name: string, ...words: string[]): Said =>
  processes.modicum(
    [
      ...["lab", "tune", "--model", tiny, "--task", task, "--name", "mine", "--candidates", candidates],
      ...["--temperature", "0.8", "--max-tokens", "8", "--cost", "flops", "--risk", "0.3", ...words],
    ],
    home(name),
  );

function linesOf(name: string): object[] {
  try {
    const text = readFileSync(path.join(folder, name, "tunings", "mine", "answers.jsonl"), "utf8");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => ({ ...JSON.parse(line), ms: 0 }));
  } catch {
    return [];
  }
}

/** A certificate without its times. */
function certificateOf(name: string): object {
  const { certificate } = JSON.parse(readFileSync(path.join(folder, name, "certificates", "mine.json"), "utf8"));
  const { created: _, cost, recipes, ...rest } = certificate;
  return { ...rest, cost: { ...cost, ms: 0 }, recipes: Object.keys(recipes) };
}

/** Waits for an effect of processes, unless one of them ends first. */
async function until(holds: () => boolean, ...by: readonly Said[]): Promise<void> {
  while (!holds()) {
    const ended = by.find(({ exitCode }) => exitCode !== null);
    if (ended) throw new Error(`a process ended: ${ended.said()}`);
    await setTimeout(10);
  }
}

test.skipIf(!server)(
  "workers are killed, Redis is emptied and dies, the tuner is killed and continues alone: the certificate is that of one process",
  async () => {
    const letters = (i: number) => `${"abc ".repeat(4 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}`;
    writeFileSync(task, Array.from({ length: 60 }, (_, i) => `${JSON.stringify({ prompt: letters(i) })}\n`).join(""));
    const pruned = "prune:after=1,by=recent,sinks=1,last=2,minLength=4";
    writeFileSync(candidates, `${pruned},keep=0.75\n${pruned},keep=0.4\nexit:layer=1\n`);
    const alone = tune("alone");
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    const store = processes.redis(port);
    const workers = [1, 2].map(() => processes.modicum(["lab", "worker", "--queue", url], home("shared")));
    // Its home is a file: it can prepare no weights.
    const bad = processes.modicum(["lab", "worker", "--queue", url], { MODICUM_HOME: task });
    await until(() => [...workers, bad].every((worker) => worker.said().includes("joined the queue")));

    const tuner = tune("shared", "--queue", url);
    await until(() => linesOf("shared").length >= 8, tuner);
    expect(workers.map((worker) => worker.said()).join()).toContain("losses for a tuning run");
    workers[0]!.kill("SIGKILL");
    const client = new Redis(url);
    await client.flushall();
    client.disconnect();
    await until(() => linesOf("shared").length >= 24, tuner);
    tuner.kill("SIGKILL");
    await once(tuner, "close");
    await until(() => bad.exitCode !== null);
    expect(bad.exitCode).toBe(1);
    expect(tuner.said()).toMatch(/a worker leaves: .*mine\.jsonl/);

    // The first tuner loses the queue and answers by itself; the second never has one.
    const second = tune("shared", "--queue", url);
    const more = async (count: number) => {
      const before = linesOf("shared").length;
      await until(() => linesOf("shared").length >= before + count, second);
    };
    await more(8);
    store.kill("SIGKILL");
    await more(24);
    second.kill("SIGKILL");
    await once(second, "close");
    const third = tune("shared");
    await until(() => third.exitCode !== null);
    expect(third.exitCode).toBe(0);
    expect(third.said()).toContain("registered as");
    await until(() => alone.exitCode !== null);
    expect(alone.said()).toContain("registered as");
    expect(certificateOf("shared")).toEqual(certificateOf("alone"));
    expect(linesOf("shared")).toEqual(linesOf("alone"));
  },
  600_000,
);

test("an unreachable queue is one sentence, and no tuning is begun", async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  writeFileSync(path.join(folder, "few.jsonl"), Array.from({ length: 90 }, (_, i) => `{"prompt": "${i}"}\n`).join(""));
  const words = ["--model", tiny, "--task", path.join(folder, "few.jsonl"), "--name", "few", "--temperature", "0"];
  const tuner = processes.modicum(["lab", "tune", ...words, "--queue", url], home("none"));
  expect(await once(tuner, "close")).toEqual([1, null]);
  expect(tuner.said()).toMatch(/error: redis:\/\/127\.0\.0\.1:\d+ does not answer: .*\n$/);
  expect(linesOf("none")).toEqual([]);
}, 120_000);
