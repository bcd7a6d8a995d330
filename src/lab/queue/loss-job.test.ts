import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "bullmq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../../test/free-port.testing.ts";
import { Processes, server } from "../../../test/redis.testing.ts";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { tempFolder, withEnv } from "../../weights/sources/helpers.testing.ts";
import { TINY } from "../run/run.testing.ts";
import { tuneOptions } from "../tune/options.ts";
import { tuned, type Watcher } from "../tune/run.ts";
import { answerHash, type Losses, ModelServing } from "../tune/served.ts";
import { type Setup, setUp } from "../tune/setup.ts";
import { QUEUE } from "./connection.ts";
import { LossBench, type LossJob, type LossSetting } from "./loss-job.ts";
import { LossQueue } from "./loss-queue.ts";
import { Unfit } from "./refusal.ts";
import { work } from "./worker.ts";

const VERSION = "0.0.0";
/** Mild and bold prompt pruning, and an early exit that loses too much. */
const RECIPES = [
  "prune:after=1,keep=0.75,by=recent,sinks=1,last=2,minLength=4",
  "prune:after=1,keep=0.4,by=recent,sinks=1,last=2,minLength=4",
  "exit:layer=1",
];

const folder = mkdtempSync(join(tmpdir(), "modicum-loss-job-"));
const task = join(folder, "mine.jsonl");
const processes = new Processes(folder);
let model: Model;
beforeAll(async () => {
  const letters = (i: number) => `${"abc ".repeat(4 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}`;
  const lines = Array.from({ length: 45 }, (_, i) => `${JSON.stringify({ prompt: letters(i) })}\n`);
  writeFileSync(task, lines.join(""));
  model = await load(TINY, { quant: "f32" });
});
afterAll(() => {
  processes.kill();
  rmSync(folder, { recursive: true });
  model.dispose();
});
if (!server) console.info("losses on a queue are not tested: there is neither redis-server nor valkey-server");

/** A tuning run in a temporary home. FLOPs are the same in every run. */
async function setupOf(options: { temperature: number }): Promise<Setup> {
  withEnv({ MODICUM_HOME: tempFolder() });
  return await setUp({
    ...{ model, task, adapter: undefined, force: false, version: VERSION },
    options: tuneOptions.parse({ name: "mine", maxTokens: 8, cost: "flops", risk: 0.3, ...options }),
    candidates: RECIPES.map((text) => parseRecipe([text])),
  });
}

const silent: Watcher = { notice() {}, answered() {}, timed() {} };

/** A tuning run's result, without times. */
async function outcomeOf(setup: Setup, watcher: Watcher = silent, open?: (local: Losses) => Promise<LossQueue>) {
  using serving = await ModelServing.open(model, setup.request.options.temperature);
  const calls = { local: 0 };
  const counting: Losses = {
    answer(...wanted) {
      calls.local++;
      return serving.answer(...wanted);
    },
    excess: (...wanted) => serving.excess(...wanted),
  };
  await using queue = await open?.(counting);
  const { certificate, outcome, folder } = await tuned(setup, serving, watcher, undefined, queue ?? counting);
  const { created: _, cost, recipes, ...rest } = certificate!;
  const losses = readFileSync(join(folder, "answers.jsonl"), "utf8").trim().split("\n");
  return {
    calls,
    certificate: { ...rest, cost: { ...cost, ms: undefined }, recipes: Object.keys(recipes) },
    order: outcome.order,
    losses: losses.map((line) => ({ ...JSON.parse(line), ms: undefined })),
  };
}

describe("a worker's side", () => {
  const item = { id: "0".repeat(64), group: "g", tokens: 9, prompt: "abc abc abc abc z", stop: [], maxTokens: 6 };
  const settingOf = async (temperature: number): Promise<LossSetting> => {
    const { identity } = await setupOf({ temperature });
    const { model_hash: modelHash, sampling } = identity;
    return { version: VERSION, model: TINY, modelHash, form: "f32", temperature, sampling };
  };
  const jobOf = (setting: LossSetting, rest: Partial<LossJob> = {}): LossJob => ({
    ...{ setting, item, recipes: ["dense", ...RECIPES], files: {}, scored: true, ...rest },
  });
  const bench = (version = VERSION) =>
    new LossBench({ version, notice() {}, signal: new AbortController().signal, fetching: {} });

  test.each([0, 0.8])(
    "at temperature %d, it returns the answers and scores of the tuning's process",
    async (temperature) => {
      using own = bench();
      using serving = await ModelServing.open(model, temperature);
      const answers = await own.answer(jobOf(await settingOf(temperature)));
      const expected = [];
      for (const recipe of ["dense", ...RECIPES]) expected.push(await serving.answer(recipe, item, true));
      const scores = await serving.excess(item, expected);
      for (const [i, served] of expected.entries()) {
        expect({ ...answers[i]!.served, ms: 0 }).toEqual({ ...served, ms: 0 });
        expect(answers[i]!.excess).toBe(scores[i]);
      }
      const known = await own.answer(jobOf(await settingOf(temperature), { known: answerHash(expected[0]!) }));
      expect(known[0]!.excess).toBeUndefined();
      expect(known[3]!.excess).toBe(scores[3]);
    },
  );

  test.each<[string, (setting: LossSetting) => LossSetting, string | RegExp]>([
    ["version", (s) => ({ ...s, version: "0.0.1" }), "tuning needs Modicum 0.0.1, and this worker has 0.0.0"],
    ["model", (s) => ({ ...s, modelHash: "f".repeat(64) }), /: [0-9a-f]{12}… here, ffffffffffff… in the run$/],
    ["codes", (s) => ({ ...s, codes: 4 }), /^the codes of .*: none here, 4 bits in the run$/],
    ["sampling", (s) => ({ ...s, sampling: { topK: 3 } }), /^the sampling of .*: greedy here, topK 3 in the run$/],
    ["adapter", (s) => ({ ...s, adapter: { folder: "/nowhere/adapter", hash: "" } }), "/nowhere/adapter"],
  ])("another %s is refused by name", async (_, change, sentence) => {
    using own = bench();
    const refused = own.answer(jobOf(change(await settingOf(0))));
    await expect(refused).rejects.toThrow(sentence);
    await expect(refused).rejects.toBeInstanceOf(Unfit);
  });

  test("a failure under a recipe is not an answer, and never counts as a loss", async () => {
    using own = bench();
    const [dense, other] = await own.answer(jobOf(await settingOf(0), { recipes: ["dense", "exit:layer=9"] }));
    expect([dense?.served.tokens.length, other]).toEqual([6, null]);
  });
});

describe.skipIf(!server)("with a queue", () => {
  const alone = new Map<number, ReturnType<typeof outcomeOf>>();
  /** The result without a queue, tuned once. */
  async function withoutQueue(temperature: number) {
    if (!alone.has(temperature)) alone.set(temperature, outcomeOf(await setupOf({ temperature })));
    return await alone.get(temperature)!;
  }

  async function redis() {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const store = processes.redis(Number(new URL(url).port));
    while (!store.said().includes("Ready to accept connections")) await new Promise((done) => setTimeout(done, 10));
    return { url, store };
  }

  /** A worker in this process, until it is stopped. */
  async function worker(url: string) {
    const stop = new AbortController();
    const notices: string[] = [];
    const ended = work(url, { version: VERSION, notice: (sentence) => notices.push(sentence), signal: stop.signal });
    while (!notices.includes("joined the queue")) await new Promise((done) => setTimeout(done, 10));
    return {
      said: notices,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await ended;
      },
    };
  }

  test.each([0, 0.8])(
    "at temperature %d, the certificate, its order and all losses equal a tuning without a queue",
    async (temperature) => {
      const alone = await withoutQueue(temperature);
      const { url } = await redis();
      await using _ = await worker(url);
      const setup = await setupOf({ temperature });
      const shared = await outcomeOf(setup, silent, (local) => LossQueue.open(url, setup, local, () => {}, undefined));
      expect({ ...shared, calls: 0 }).toEqual({ ...alone, calls: 0 });
      expect(shared.calls.local).toBeLessThan(alone.calls.local / 4);
    },
    300_000,
  );

  test("answers of another form, failed ones, and a failing queue never count as losses", async () => {
    const alone = await withoutQueue(0);
    const results = [
      () => "[]",
      () => JSON.stringify({ served: "nothing" }),
      ({ recipes }: LossJob) => JSON.stringify(recipes.map(() => null)),
    ];
    const { url } = await redis();
    let done = 0;
    const broken = new Worker<LossJob>(
      QUEUE,
      async ({ data }) => {
        if (++done > 10) throw new Error("out of order");
        return results[done % results.length]!(data);
      },
      { connection: { url, maxRetriesPerRequest: null } },
    );
    await broken.waitUntilReady();
    const setup = await setupOf({ temperature: 0 });
    const notices: string[] = [];
    const notice = (sentence: string) => notices.push(sentence);
    const shared = await outcomeOf(setup, silent, (local) => LossQueue.open(url, setup, local, notice, undefined));
    await broken.close();
    expect({ ...shared, calls: 0 }).toEqual({ ...alone, calls: 0 });
    expect(notices.some((sentence) => /^a worker returned a malformed answer for item/.test(sentence))).toBe(true);
    expect(notices.at(-1)).toBe("a worker failed: out of order; this process continues without the queue");
  }, 300_000);

  test("without a worker, and after Redis has died, this process answers everything", async () => {
    const alone = await withoutQueue(0);
    const { url, store } = await redis();
    const setup = await setupOf({ temperature: 0 });
    let answers = 0;
    const watcher: Watcher = {
      ...silent,
      answered() {
        if (++answers === 30) store.kill("SIGKILL");
      },
    };
    const shared = await outcomeOf(setup, watcher, (local) => LossQueue.open(url, setup, local, () => {}, undefined));
    expect(shared).toEqual(alone);
    expect(answers).toBeGreaterThan(30);
  }, 300_000);
});
