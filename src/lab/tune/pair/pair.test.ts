import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../../library/load.ts";
import type { Model } from "../../../library/model.ts";
import { parsePair, parseRouteText } from "../../../pipelines/route/name.ts";
import { readCertificate } from "../../../savings/auto/certificate.ts";
import { tempFolder, withEnv, writeAt } from "../../../weights/sources/helpers.testing.ts";
import { TINY } from "../../run/run.testing.ts";
import type { ServedItem } from "../items.ts";
import { tuneOptions } from "../options.ts";
import { runTuning, tuned, type Watcher } from "../run.ts";
import { type Request, setUp } from "../setup.ts";
import type { Alone, PairModels } from "./models.ts";
import { PairServing } from "./serving.ts";

const UNTIED = fileURLToPath(new URL("../../../models/fixtures/llama-tiny-untied.gguf", import.meta.url));
let swift: Model;
let strong: Model;
beforeAll(async () => {
  swift = await load(TINY, { quant: "f32" });
  strong = await load(UNTIED, { quant: "f32" });
});
afterAll(() => {
  swift.dispose();
  strong.dispose();
});

const letters = (i: number): string => `${"abc ".repeat(1 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}`;

/** A temporary home with a file of items; right answers contain "right". */
function fileOf(count: number, answer: object = { answer: "right" }): string {
  const home = tempFolder();
  withEnv({ MODICUM_HOME: home });
  const rows = Array.from({ length: count }, (_, i) => ({ prompt: letters(i), ...answer }));
  return writeAt(join(home, "mine.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

const request = (task: string, options: object = {}, name = "tiny>untied@score=energy"): Request => ({
  ...{ model: strong, pair: { name: parsePair(name)!, swift }, task, adapter: undefined, candidates: undefined },
  ...{
    force: false,
    version: "0.0.0",
    options: tuneOptions.parse({ name: "mine", maxTokens: 8, cost: "flops", risk: 0.02, ...options }),
  },
});

/** A number of the item in [0, 1), the same in every run; the first digits of a group determine the search part. */
const drawn = ({ group }: Pick<ServedItem, "group">, nth = 1): number =>
  Number.parseInt(group.slice(8 * nth, 8 * nth + 8), 16) / 2 ** 32;

/** Swift is wrong on a third of the items. */
const isHard = (item: Pick<ServedItem, "group">): boolean => drawn(item) < 1 / 3;

/** The object with some of its properties replaced. */
const withOther = <T extends object>(of: T, other: object): T =>
  new Proxy(of, {
    get(target, key) {
      if (Object.hasOwn(other, key)) return Reflect.get(other, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

interface MadeUp extends PairModels {
  readonly calls: string[];
}

/**
 * A Super that is always right and costs ten times Swift; Swift's score shows whether Swift is wrong or, with
 * `shuffled`, carries no information.
 */
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
      const score = (shuffled ? 0 : isHard(item) ? 0 : 10) + drawn(item, 2);
      const scores = { "score=energy,temperature=1,aggregate=first": score };
      return { ...(isHard(item) ? { text: "wrong", tokens: [3] } : right), ...costs(10), scores };
    },
    async routed(recipe, item) {
      const options = parseRouteText(recipe);
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

test("if the energy predicts Swift's errors, their share is certified", async () => {
  const setup = await setUp(request(fileOf(300)));
  const models = madeUp();
  const { certificate, folder } = await tuned(setup, new PairServing(models), silent);
  // Swift is wrong on a third: the boldest share that loses nothing is 0.4.
  expect(certificate).toMatchObject({ loss: "harm", mean: 0, model: setup.identity.model_hash, quality: 1 });
  expect(certificate!.ladder[0]!.rungs[0]).toBe("route:share=0.4,score=energy,temperature=1,aggregate=first");
  const { pair, cost } = certificate!;
  expect(pair).toMatchObject({ name: "tiny>untied", swift: setup.identity.swift });
  const [route] = Object.values(pair!.routes);
  const { t } = parseRouteText(route!);
  expect(t).toBeGreaterThan(10);
  // 0.6 times Swift's 10, and 0.4 times Super's 100 plus 2 for Swift's beginning.
  expect(cost.flops.chosen / cost.flops.dense).toBeCloseTo(0.6 * 0.1 + 0.4 * 1.02, 1);
  expect(readCertificate("mine")).toEqual(certificate);
  // One answer of each model and item, whatever the thresholds.
  const alone = models.calls.filter((call) => !call.startsWith("route"));
  const lineCount = lines(folder, "pair.jsonl").length;
  expect(lineCount).toBeLessThanOrEqual(2 * 300);
  expect(new Set(alone).size).toBe(lineCount);
});

test("a score without information certifies nothing", async () => {
  const { certificate } = await tuned(
    await setUp(request(fileOf(300))),
    new PairServing(madeUp({ shuffled: true })),
    silent,
  );
  expect(certificate).toBeUndefined();
});

test("killed anywhere and resumed, it returns the same certificate, and answers nothing twice", async () => {
  const task = fileOf(300);
  const whole = await tuned(await setUp(request(task, { name: "whole" })), new PairServing(madeUp()), silent);
  const { created: _, ...expected } = whole.certificate!;
  // The second tuning run is a further attempt as long as the first counts.
  withEnv({ MODICUM_HOME: tempFolder() });
  const calls: string[] = [];
  for (const after of [3, 150, 80, 60, 40]) {
    const stop = new AbortController();
    let count = 0;
    const killed = madeUp({
      onCall: () => {
        if (++count === after) stop.abort();
        stop.signal.throwIfAborted();
      },
    });
    const part = setUp(request(task));
    await expect(tuned(await part, new PairServing(killed, stop.signal), silent, stop.signal)).rejects.toThrow(
      /abort/i,
    );
    calls.push(...killed.calls);
  }
  const last = madeUp();
  const again = await tuned(await setUp(request(task)), new PairServing(last), silent);
  const { created: __, ...certificate } = again.certificate!;
  expect(certificate).toEqual(expected);
  const records = lines(again.folder, "pair.jsonl").map((line) => JSON.parse(line));
  expect(new Set(records.map(({ role, item }) => `${role} ${item}`)).size).toBe(records.length);
  // Super runs again only for timing.
  const swifts = [...calls, ...last.calls].filter((call) => call.startsWith("swift"));
  expect(new Set(swifts).size).toBe(swifts.length);
});

test("thresholds follow from the search items alone", async () => {
  const setup = await setUp(request(fileOf(300)));
  const { certificate, outcome } = await tuned(setup, new PairServing(madeUp()), silent);
  const tested = new Set(outcome.test.map(({ id }) => id));
  // Scores of the test would move every threshold, if they were read.
  const moved: PairModels = {
    ...madeUp(),
    alone: async (role, item) => {
      const { scores, ...answer } = await madeUp().alone(role, item);
      const far = tested.has(item.id) ? 1e6 : 0;
      return {
        ...answer,
        scores: Object.fromEntries(Object.entries(scores).map(([way, score]) => [way, score + far])),
      };
    },
  };
  withEnv({ MODICUM_HOME: tempFolder() });
  const other = await tuned(await setUp(request(setup.request.task)), new PairServing(moved), silent);
  for (const { ladder } of other.outcome.order) expect(outcome.order.map((each) => each.ladder)).toContainEqual(ladder);
  expect(Object.entries(certificate!.pair!.routes).length).toBe(1);
});

test("items that Swift cannot answer are lost under every threshold, and items without a score are Super's", async () => {
  const broken = (how: "throws" | "unscored"): PairModels => {
    const models = madeUp();
    return {
      ...models,
      async alone(role, item) {
        const answer = await models.alone(role, item);
        if (role === "super" || drawn(item, 3) > 0.1) return answer;
        if (how === "throws") throw new Error("out of memory");
        return {
          ...answer,
          text: "wrong",
          scores: Object.fromEntries(Object.keys(answer.scores).map((way) => [way, Number.NaN])),
        };
      },
    };
  };
  const lost = await tuned(await setUp(request(fileOf(300))), new PairServing(broken("throws")), silent);
  expect([lost.certificate, lost.dropped.length]).toEqual([undefined, 10]);
  const unscored = await tuned(await setUp(request(fileOf(300))), new PairServing(broken("unscored")), silent);
  expect(unscored.certificate).toMatchObject({ mean: 0 });
});

test("a score in the pair's name is the only one; a threshold in it is refused", async () => {
  const { candidates } = await setUp(request(fileOf(300), {}, "tiny>untied@score=margin,aggregate=min"));
  expect(candidates.map(({ recipe }) => recipe).slice(0, 2)).toEqual([
    "route:share=0.9,score=margin,temperature=1,aggregate=min",
    "route:share=0.8,score=margin,temperature=1,aggregate=min",
  ]);
  expect(candidates).toHaveLength(10);
  const usual = await setUp(request(fileOf(300), {}, "tiny>untied"));
  expect(new Set(usual.candidates.map(({ family }) => family)).size).toBe(3);
  await expect(setUp(request(fileOf(300), {}, "tiny>untied@share=0.3"))).rejects.toThrow(
    "tiny>untied is tuned over all shares for Super; expected no share after its @",
  );
});

test("a model with a recipe, and models that sample differently, are refused", async () => {
  using exiting = await load(TINY, { quant: "f32", save: ["exit:layer=1"] });
  const task = fileOf(300);
  const pair = { name: parsePair("tiny>untied")!, swift: exiting };
  await expect(setUp({ ...request(task), pair })).rejects.toThrow("tuning a pair needs two models without recipes");
  const sampled = { ...pair, swift: withOther(swift, { sampling: { settings: { temperature: 0.7 } } }) };
  await expect(setUp({ ...request(task), pair: sampled })).rejects.toThrow(
    "by their own settings tiny samples with temperature 0.7 and untied with off; --temperature 0 makes both greedy",
  );
});

test("nats score Swift's tokens by Super, whose tokenizer has to be the same", async () => {
  const rows = fileOf(100, {});
  const setup = await setUp(request(rows, { risk: 0.1 }));
  expect(setup.loss).toBe("nats");
  const { certificate } = await tuned(setup, new PairServing(madeUp()), silent);
  // Swift's wrong answers are 2 nats less likely, which count as 1. One of them is in the test.
  const { items, mean } = certificate!;
  expect(certificate!.loss).toBe("nats");
  expect(mean * items.test).toBeCloseTo(1, 9);
  expect(certificate).not.toHaveProperty("nats");
  const { tokenizer } = swift.language;
  const words = withOther(tokenizer, { text: (id: number) => `${tokenizer.text(id)}!` });
  const language = withOther(swift.language, { tokenizer: words });
  const other = { name: parsePair("tiny>untied")!, swift: withOther(swift, { language }) };
  await expect(setUp({ ...request(rows, { risk: 0.1 }), pair: other })).rejects.toThrow(
    "--loss nats scores tiny's tokens with untied, and the two have different tokenizers; use another loss",
  );
});

test("a tuning of real models ends with or without a certificate, and its answers are the models' own", async () => {
  const setup = await setUp(request(fileOf(60, {}), { risk: 0.5, temperature: 0, loss: "agreement" }, "tiny>untied"));
  const { folder, outcome } = await runTuning(setup, silent);
  const records = lines(folder, "pair.jsonl").map((line) => JSON.parse(line));
  expect(records.length).toBeGreaterThan(outcome.search.length);
  const item = outcome.search[0]!;
  for (const [role, model] of [
    ["swift", swift],
    ["super", strong],
  ] as const) {
    const { text } = await model.complete(item.prompt, { maxTokens: 8 });
    expect(records.find((line) => line.role === role && line.item === item.id).text).toBe(text);
  }
  const timed = lines(folder, "times.jsonl").map((line) => JSON.parse(line));
  const flops = (recipe: RegExp) =>
    timed.filter((line) => recipe.test(line.recipe)).map((line) => line.flops as number);
  expect(flops(/^dense/)).toHaveLength(12);
  // A route to Super costs Swift's beginning, or a whole draft if that is scored.
  const [dense, first, whole] = [/^dense/, /t=inf.*first/, /t=inf.*mean/].map((recipe) => Math.max(...flops(recipe)));
  expect(first).toBeGreaterThan(dense!);
  expect(whole).toBeGreaterThan(first!);
});
