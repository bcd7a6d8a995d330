import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../../library/load.ts";
import type { Model } from "../../../library/model.ts";
import { parsePair } from "../../../pipelines/route/name.ts";
import { readCertificate } from "../../../savings/auto/certificate.ts";
import { tempFolder, withEnv, writeAt } from "../../../weights/sources/helpers.testing.ts";
import { TINY } from "../../run/run.testing.ts";
import type { ServedItem } from "../items.ts";
import { tuneOptions } from "../options.ts";
import { runTuning, tuned, type Watcher } from "../run.ts";
import { type Request, setUp } from "../setup.ts";
import type { Alone, PairModels } from "./models.ts";
import { PairServing } from "./serving.ts";
import { routeOptionsIn } from "./ways.ts";

const UNTIED = fileURLToPath(new URL("../../../models/fixtures/llama-tiny-untied.gguf", import.meta.url));
let swift: Model;
let strong: Model;
beforeAll(async () => {
  [swift, strong] = await Promise.all([TINY, UNTIED].map((file) => load(file, { quant: "f32" })));
});
afterAll(() => {
  swift.dispose();
  strong.dispose();
});

const letters = (i: number): string => `${"abc ".repeat(1 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}`;

/** A home of its own, and a file of items in it; right answers hold "right". */
function fileOf(count: number, answer: object = { answer: "right" }): string {
  const home = tempFolder();
  withEnv({ MODICUM_HOME: home });
  const rows = Array.from({ length: count }, (_, i) => ({ prompt: letters(i), ...answer }));
  return writeAt(join(home, "mine.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

const request = (task: string, options: object = {}, name = "tiny>untied"): Request => ({
  ...{ model: strong, pair: { name: parsePair(name)!, swift }, task, adapter: undefined, candidates: undefined },
  ...{
    force: false,
    version: "0.0.0",
    options: tuneOptions.parse({ name: "mine", maxTokens: 8, cost: "flops", risk: 0.02, ...options }),
  },
});

/** A number of the item's in [0, 1), the same in every run. */
const drawn = ({ id }: Pick<ServedItem, "id">, from = 0): number =>
  Number.parseInt(id.slice(from, from + 8), 16) / 2 ** 32;

/** Swift is wrong on a third of the items. */
const isHard = (item: Pick<ServedItem, "id">): boolean => drawn(item) < 1 / 3;

interface MadeUp extends PairModels {
  readonly calls: string[];
}

/** A Super that is always right and costs ten times Swift, whose score says whether it is wrong, or `shuffled` nothing. */
function madeUp({ shuffled = false, onCall = () => {} }: { shuffled?: boolean; onCall?: () => void } = {}): MadeUp {
  const calls: string[] = [];
  const costs = (cost: number) => ({ reason: "stop" as const, ms: cost, flops: cost, bytes: cost });
  const right = { text: "right", tokens: [1, 2] };
  return {
    calls,
    async alone(role, item): Promise<Alone> {
      onCall();
      calls.push(`${role} ${item.id}`);
      if (role === "super") return { ...right, ...costs(100), scores: {} };
      const score = (shuffled ? 0 : isHard(item) ? 0 : 10) + drawn(item, 8);
      const scores = Object.fromEntries(
        ["first", "mean"].map((aggregate) => [`score=energy,temperature=1,aggregate=${aggregate}`, score]),
      );
      return { ...(isHard(item) ? { text: "wrong", tokens: [3] } : right), ...costs(10), scores };
    },
    async routed(options, item) {
      onCall();
      const begun = options.aggregate === "first" ? 2 : 10;
      calls.push(`route ${item.id}`);
      return { ...right, ...costs(options.t === Number.POSITIVE_INFINITY ? 100 + begun : 10) };
    },
    excess: async (_, answers) => answers.map(({ tokens }) => (tokens[0] === 1 ? 0 : 2)),
    [Symbol.dispose]() {},
  };
}

const silent: Watcher = { notice() {}, answered() {}, timed() {} };
const lines = (folder: string, file: string): string[] => readFileSync(join(folder, file), "utf8").trim().split("\n");

test("where the energy tells what Swift gets wrong, the share of that is certified", async () => {
  const setup = await setUp(request(fileOf(300)));
  const models = madeUp();
  const { certificate, folder } = await tuned(setup, new PairServing(models), silent);
  // Swift is wrong on a third: the boldest share that loses nothing is 0.4.
  expect(certificate).toMatchObject({ loss: "harm", mean: 0, model: setup.identity.model_hash, quality: 1 });
  expect(certificate!.ladder[0]!.rungs[0]).toMatch(/^route:share=0\.4,score=energy,temperature=1,/);
  const { pair, cost } = certificate!;
  expect(pair).toMatchObject({ name: "tiny>untied", swift: setup.identity.swift });
  const [route] = Object.values(pair!.routes);
  const { t } = routeOptionsIn(route!);
  expect(t).toBeGreaterThan(10);
  // 0.6 times Swift's 10, and 0.4 times a beginning of 2 with Super's 100.
  expect(cost.flops.chosen / cost.flops.dense).toBeCloseTo(0.6 * 0.1 + 0.4 * 1.02, 1);
  expect(readCertificate("mine")).toEqual(certificate);
  // One answer of each model and item, whatever the thresholds.
  const alone = models.calls.filter((call) => !call.startsWith("route"));
  const kept = lines(folder, "pair.jsonl").length;
  expect(kept).toBeLessThanOrEqual(2 * 300);
  expect(new Set(alone).size).toBe(kept);
});

test("a score that says nothing certifies nothing", async () => {
  const { certificate } = await tuned(
    await setUp(request(fileOf(300))),
    new PairServing(madeUp({ shuffled: true })),
    silent,
  );
  expect(certificate).toBeUndefined();
});
