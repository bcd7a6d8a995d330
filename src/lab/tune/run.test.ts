import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { namesByteProducts } from "../../runtime/processor.ts";
import { auditedRisk } from "../../savings/auto/audit-state.ts";
import { certificateFile, readCertificate } from "../../savings/auto/certificate.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { escaped } from "../../util/html.ts";
import { seededRandom } from "../../util/random.ts";
import { tempFolder, withEnv, writeAt } from "../../weights/sources/helpers.testing.ts";
import { duration, percent } from "../report/format.ts";
import { TINY } from "../run/run.testing.ts";
import type { ServedItem } from "./items.ts";
import { tuneOptions } from "./options.ts";
import { wantedGroups } from "./outlook.ts";
import { tuningPage } from "./report.ts";
import { runTuning, tuned, type Watcher } from "./run.ts";
import type { ServedAnswer, Serving } from "./served.ts";
import { type Request, setUp } from "./setup.ts";
import { split } from "./split.ts";
import { planLines, verdictOf } from "./words.ts";

let model: Model;
beforeAll(async () => {
  model = await load(TINY, { quant: "f32" });
});
afterAll(() => model.dispose());

/** A temporary home with a file of prompts. */
function fileOf(lines: readonly object[]): string {
  const home = tempFolder();
  withEnv({ MODICUM_HOME: home });
  return writeAt(join(home, "mine.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

const letters = (i: number): string => `${"abc ".repeat(1 + (i % 9))}${String.fromCharCode(97 + (i % 26))}${i}`;
const prompts = (count: number) => Array.from({ length: count }, (_, i) => ({ prompt: letters(i) }));
const answered = (count: number) => prompts(count).map((line) => ({ ...line, answer: "right" }));

const request = (task: string, options: object = {}, rest: Partial<Request> = {}): Request => ({
  ...{ model, task, adapter: undefined, force: false, version: "0.0.0" },
  options: tuneOptions.parse({ name: "mine", maxTokens: 8, ...options }),
  candidates: [["lookup:match=3"], ["lookup:match=2"], ["exit:layer=1"]].map((texts) => parseRecipe(texts)),
  ...rest,
});

/** Synthetic answers: exits are cheapest and lose everything, lookups lose nothing. */
const serving = (answer: (recipe: string, item: { id: string }) => Partial<ServedAnswer> = () => ({})): Serving => ({
  async answer(recipe, item) {
    const share = recipe === "dense" ? 1 : recipe.startsWith("exit") ? 0.2 : recipe.includes("match=2") ? 0.5 : 0.8;
    const cost = share * (10 * item.tokens + 100);
    const { text = recipe.startsWith("exit") ? "wrong" : "right", ...own } = answer(recipe, item);
    const tokens = text === "right" ? [1, 2] : [3, 4];
    return { text, tokens, reason: "stop", ms: cost, flops: cost, bytes: cost, ...own };
  },
  excess: async (_, answers) => answers.map(({ tokens }) => (tokens[0] === 1 ? 0 : 2)),
  [Symbol.dispose]() {},
});

const silent: Watcher = { notice() {}, answered() {}, timed() {} };
const lines = (folder: string, file: string): string[] => readFileSync(join(folder, file), "utf8").trim().split("\n");

test("the cheapest recipe that loses nothing is certified, with all options spelled out", async () => {
  const setup = await setUp(request(fileOf(prompts(120)), { temperature: 0 }));
  expect(setup).toMatchObject({ loss: "nats", attempt: 1, outlook: { items: 120, test: 80 } });
  const { certificate, folder, dropped, near } = await tuned(setup, serving(), silent);
  expect(certificate?.ladder).toEqual([{ tokens: [0, null], rungs: ["lookup:match=2,tokens=8", "dense"] }]);
  expect(certificate).toMatchObject({
    ...{ risk: 0.05, confidence: 0.95, loss: "nats", type: "unit", attempt: 1, mean: 0, answer: 2, sampling: {} },
    items: { search: 40, test: 80, groups: 80 },
    order: [{ certified: true }, { certified: true }],
  });
  expect(certificate!.p).toBeLessThan(0.05);
  expect(certificate!.cost.ms.chosen / certificate!.cost.ms.dense).toBeCloseTo(0.5, 9);
  expect(certificate!.recipes["lookup:match=2,tokens=8"]!.ms.new).toBeCloseTo(5, 6);
  expect(readCertificate("mine")).toEqual(certificate);
  // A few items separate losses of 1 from 0.05.
  expect(dropped).toMatchObject([{ recipe: expect.stringContaining("exit:layer=1"), loss: 1 }]);
  expect(dropped[0]!.items).toBeLessThan(10);
  expect(near).toBeUndefined();
  expect(JSON.parse(readFileSync(join(folder, "order.json"), "utf8"))).toHaveLength(2);
});

test("a request is answered under the certificate, with its guarantee on the receipt", async () => {
  const rows = prompts(120);
  await tuned(await setUp(request(fileOf(rows), { temperature: 0 })), serving(), silent);
  const { receipt } = await model.complete(rows[4]!.prompt, { save: ["auto:mine"], maxTokens: 4 });
  expect(receipt).toMatchObject({
    recipe: ["lookup:match=2,tokens=8"],
    guarantee: { risk: 0.05, confidence: 0.95, loss: "nats", certificate: "mine" },
  });
  await expect(model.complete(rows[4]!.prompt, { save: ["auto:mine"], temperature: 0.5 })).rejects.toThrow(
    "temperature",
  );
});

test("the report shows the choice, its cost, and the path of the test; it has no script", async () => {
  const losing = serving((recipe, { id }) =>
    recipe.includes("match=2") && Number.parseInt(id.slice(0, 8), 16) % 30 === 0 ? { text: "wrong" } : {},
  );
  const done = await tuned(await setUp(request(fileOf(prompts(120)))), losing, silent);
  const page = tuningPage(done);
  for (const part of [verdictOf(done), "What it spends", "The test", "Candidates", "exit:"])
    expect(page).toContain(part === verdictOf(done) ? escaped(part) : part);
  expect(page).toContain("<svg");
  expect(page).not.toContain("<script");
  expect(verdictOf(done)).toMatch(
    /^Certified: lookup:match=[23],tokens=8\. Its expected loss is at most 0\.05 \(nats\)/,
  );
  const dense = await tuned(
    await setUp(request(fileOf(prompts(120)), {}, { candidates: [parseRecipe(["exit:layer=1"])] })),
    serving(),
    silent,
  );
  expect(verdictOf(dense)).toBe(
    "Nothing is certified, so all requests run dense. Nothing that survived the search is cheaper than dense.",
  );
  expect(tuningPage(dense)).toContain("lost too much in");
});

test("killed anywhere and resumed, it returns the same certificate, answers nothing twice and keeps its times", async () => {
  const task = fileOf(prompts(120));
  const whole = await tuned(await setUp(request(task, { name: "whole" })), serving(), silent);
  const { created: _, ...expected } = whole.certificate!;
  const total = lines(whole.folder, "answers.jsonl").length;
  const name = "part";
  // The second tuning run is a further attempt as long as the first counts.
  withEnv({ MODICUM_HOME: tempFolder() });
  for (const after of [3, 50, 75, 20, 60, 60]) {
    const stop = new AbortController();
    let calls = 0;
    const killed = serving(() => {
      if (++calls === after) stop.abort();
      stop.signal.throwIfAborted();
      return {};
    });
    const part = setUp(request(task, { name }));
    await expect(tuned(await part, killed, silent, stop.signal)).rejects.toThrow(/abort/i);
  }
  const times = lines(join(process.env["MODICUM_HOME"]!, "tunings", name), "times.jsonl");
  const again = await tuned(await setUp(request(task, { name })), serving(), silent);
  const { created: __, ...certificate } = again.certificate!;
  expect(certificate).toEqual(expected);
  const answers = lines(again.folder, "answers.jsonl");
  expect(answers).toHaveLength(total);
  expect(new Set(answers.map((line) => `${JSON.parse(line).recipe} ${JSON.parse(line).item}`)).size).toBe(total);
  expect(lines(again.folder, "times.jsonl").slice(0, times.length)).toEqual(times);
});

test("another tuning under the name is refused; one that starts over is another attempt, at half the error", async () => {
  const task = fileOf(prompts(150));
  await tuned(await setUp(request(task)), serving(), silent);
  expect(await setUp(request(task))).toMatchObject({ attempt: 1 });
  await expect(setUp(request(task, { risk: 0.06 }))).rejects.toThrow(
    "--name: the tuning run mine has another risk: 0.05, and this one 0.06; --force discards it, another name keeps it",
  );
  await expect(setUp(request(task, { limit: 140 }))).rejects.toThrow("another items: 150, and this one 140");
  const other = await setUp(request(task, { name: "other" }));
  expect([other.attempt, other.problem.bound.confidence]).toEqual([2, 0.975]);
  const anew = await setUp(request(task, {}, { force: true }));
  expect((await tuned(anew, serving(), silent)).certificate).toMatchObject({ attempt: 2, confidence: 0.95 });
});

test("a task is defined by its prompts, whatever its file's name", async () => {
  const task = fileOf(prompts(150));
  await tuned(await setUp(request(task)), serving(), silent);
  const attemptOn = async (rows: readonly object[], options: object = {}) => {
    const file = writeAt(join(task, "..", "other.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return (await setUp(request(file, { name: "other", ...options }))).attempt;
  };
  expect(await attemptOn(prompts(150))).toBe(2);
  expect(await attemptOn(prompts(150), { maxTokens: 4 })).toBe(2);
  expect(await attemptOn(prompts(600))).toBe(2);
  expect(await attemptOn(prompts(400).slice(70))).toBe(2);
  expect(await attemptOn(prompts(400).slice(80))).toBe(1);
  expect(await attemptOn(prompts(150), { loss: "agreement" })).toBe(1);
});

test("a dry run names earlier attempts, and says if the search exceeds its budget", async () => {
  const task = fileOf(prompts(150));
  const linesOf = async (minutes: number, options: object = {}) =>
    planLines(await setUp(request(task, options)), { search: minutes, test: 3 }).slice(-3);
  expect((await linesOf(119.5)).slice(0, 2)).toEqual([
    "the loss is nats; this is attempt 1 on the task",
    "at most about 120 minutes for the search, and 3 minutes for the test of one recipe",
  ]);
  const { setup } = await tuned(await setUp(request(task)), serving(), silent);
  expect(setup.earlier).toEqual([]);
  expect((await linesOf(31, { name: "other", budgetMinutes: 30 })).slice(0, 2)).toEqual([
    expect.stringMatching(/^the loss is nats; this is attempt 2 on the task, after mine \(\d{4}-\d\d-\d\d\)$/),
    "at most about 31 minutes for the search, and 3 minutes for the test of one recipe: more than --budget-minutes 30, after which the search stops; repeat the command to continue",
  ]);
});

test("a tuning that answered no item of its test is not an attempt", async () => {
  const task = fileOf(prompts(120));
  const attempt = async (name: string) => (await setUp(request(task, { name }))).attempt;
  const spoiled = await tuned(await setUp(request(task, { name: "spoiled" })), noisy(1), silent);
  expect([spoiled.outcome.order, existsSync(join(spoiled.folder, "order.json"))]).toEqual([[], false]);
  expect(await attempt("next")).toBe(1);
  const stop = new AbortController();
  let answers = 0;
  const killed = serving(() => {
    if (++answers === 30) stop.abort();
    stop.signal.throwIfAborted();
    return {};
  });
  const killing = setUp(request(task, { name: "killed" }));
  await expect(tuned(await killing, killed, silent, stop.signal)).rejects.toThrow(/abort/i);
  expect(await attempt("next")).toBe(1);
  await tuned(await setUp(request(task, { name: "killed" })), serving(), silent);
  expect(await attempt("next")).toBe(2);
  expect(await attempt("killed")).toBe(1);
});

test("of two simultaneous tunings, the one whose test begins later is another attempt", async () => {
  const task = fileOf(prompts(150));
  const [first, second] = [await setUp(request(task)), await setUp(request(task, { name: "second" }))];
  expect([first.attempt, second.attempt]).toEqual([1, 1]);
  await tuned(first, serving(), silent);
  await expect(tuned(second, serving(), silent)).rejects.toThrow(
    "another tuning run on these items began its test meanwhile: this is attempt 2, not 1; repeat the command to continue",
  );
  const again = await setUp(request(task, { name: "second" }));
  expect(again.earlier.map(({ name }) => name)).toEqual(["mine"]);
  expect((await tuned(again, serving(), silent)).certificate).toMatchObject({ attempt: 2 });
});

test("an error or NaN under a recipe counts as a loss of 1; under dense it is an error", async () => {
  const task = fileOf(prompts(120));
  const failing = serving((recipe) => {
    if (recipe.includes("match=3")) throw new Error("out of memory");
    return recipe.includes("match=2") ? { text: "wrong" } : {};
  });
  const { certificate, outcome, rated, folder } = await tuned(await setUp(request(task)), failing, silent);
  expect([certificate, outcome.order, rated.length]).toEqual([undefined, [], 1]);
  expect(existsSync(certificateFile("mine"))).toBe(false);
  const failed = lines(folder, "answers.jsonl").map((line) => JSON.parse(line));
  expect(failed.filter(({ recipe }) => recipe.includes("match=3"))[0]).toMatchObject({
    loss: 1,
    failed: "out of memory",
  });
  const broken = serving(() => {
    throw new Error("no dense");
  });
  await expect(tuned(await setUp(request(task, { name: "none" })), broken, silent)).rejects.toThrow("no dense");
});

test("a failing recipe keeps cheaper ones from the test, and the report says what a new attempt with them needs", async () => {
  // The more expensive lookup loses only on items of the test, the cheaper one on none.
  const task = fileOf(answered(130));
  const setup = await setUp(request(task));
  const { test } = split(setup.problem.items, setup.problem.type, setup.problem.bound);
  const tested = new Set(test.map(({ id }) => id));
  const losing = serving((recipe, { id }) => (recipe.includes("match=3") && tested.has(id) ? { text: "wrong" } : {}));
  const blocked = await tuned(setup, losing, silent);
  expect(blocked.near).toMatchObject({ early: true, next: { attempt: 2, needed: { all: 107, test: 72 } } });
  expect(verdictOf(blocked)).toMatch(
    /mean loss 1\.000 on 1 group, where the test ended, since p could not fall below 0\.\d+; about \d+ more items might certify it in attempt 2, at half the error\. 1 cheaper ladder behind it was not tested: "lookup:match=2,tokens=8"\. --candidates with only their recipes starts attempt 2, at half the error: it needs 107 groups in the file, 72 of them for the test, if nothing is lost\.$/,
  );
  expect(tuningPage(blocked)).toContain("107 groups in the file");
});

test("more items belong to the next attempt, at half the error", async () => {
  const setup = await setUp(request(fileOf(answered(130))));
  const parts = split(setup.problem.items, setup.problem.type, setup.problem.bound);
  const lost = new Set([parts.search[20]!, parts.search[60]!, parts.test.at(-1)!].map(({ id }) => id));
  const losing = serving((recipe, { id }) => (recipe !== "dense" && lost.has(id) ? { text: "wrong" } : {}));
  const { near } = await tuned(setup, losing, silent);
  const losses = [...parts.search, ...parts.test].map(({ id }) => Number(lost.has(id)));
  const wanted = (confidence: number) => Math.ceil(1.5 * wantedGroups(losses, "binary", { risk: 0.05, confidence })!);
  expect(near).toMatchObject({ early: false, more: Math.max(1, wanted(0.975) - 130) });
  expect(wanted(0.975)).toBeGreaterThan(wanted(0.95));
});

test("a near miss is reported with the items that it needs", async () => {
  const task = fileOf(prompts(120));
  // The cheaper recipe loses one item in 23: too close to the risk for so few items.
  const losing = serving((recipe, { id }) =>
    recipe.includes("match=2") && Number.parseInt(id.slice(0, 8), 16) % 23 === 0 ? { text: "wrong" } : {},
  );
  const setup = await setUp(request(task, { loss: "agreement", risk: 0.1 }));
  const { certificate, near, outcome } = await tuned(setup, losing, silent);
  expect(certificate?.ladder[0]?.rungs[0]).toMatch(/^lookup/);
  const last = outcome.verdicts.at(-1)!;
  expect(near === undefined).toBe(last.certified);
  if (near) expect(near.more === undefined || near.more > 0).toBe(true);
});

test("drawn answers are compared by nats, gains against losses; no audit can bet against the certificate", async () => {
  const setup = await setUp(request(fileOf(prompts(400)), { temperature: 0.7, risk: 0.1 }));
  expect(setup).toMatchObject({
    loss: "nats",
    problem: { type: "signed" },
    identity: { sampling: { temperature: 0.7 } },
  });
  const drawn = serving((recipe, { id }) => ({
    own: recipe === "dense" ? -1 : -1 + (Number.parseInt(id.slice(0, 8), 16) % 5) / 100,
  }));
  const scored = new Set<boolean | undefined>();
  const { certificate, folder, dropped } = await tuned(
    setup,
    {
      ...drawn,
      answer(recipe, item, wanted) {
        scored.add(wanted);
        return drawn.answer(recipe, item, wanted);
      },
      // Dense finds exits much less likely, and all others as likely as its own.
      excess: async (_, answers) => answers.map(({ tokens, own }) => (tokens[0] === 1 ? own! + 1 : 1.5)),
    },
    silent,
  );
  expect(certificate).toMatchObject({ loss: "nats", type: "signed", sampling: { temperature: 0.7 } });
  expect(certificate!.mean).toBeCloseTo(0.02, 2);
  expect(auditedRisk(certificate!)).toBeUndefined();
  expect(dropped).toMatchObject([{ recipe: expect.stringContaining("exit:layer=1"), loss: 1 }]);
  const dense = lines(folder, "answers.jsonl")
    .map((line) => JSON.parse(line))
    .filter(({ recipe }) => recipe === "dense");
  expect(dense.every(({ loss, excess }) => loss === 0 && excess === 0)).toBe(true);
  // Times exclude log-probabilities.
  expect(scored).toEqual(new Set([true, undefined]));
});

test("answers with equal tokens are scored once, all of an item's together", async () => {
  const scored: number[] = [];
  const counting: Serving = {
    ...serving(),
    async excess(_, answers) {
      scored.push(answers.length);
      return answers.map(({ tokens }) => (tokens[0] === 1 ? 0 : 2));
    },
  };
  await tuned(await setUp(request(fileOf(prompts(120)))), counting, silent);
  // Dense's answer, which the lookups also return, and the exit's until it is dropped.
  expect(scored.slice(0, 3)).toEqual([2, 2, 2]);
  expect(scored.slice(20)).toEqual(Array(100).fill(1));
});

test("a budget that runs out before the test stops the search, which can resume", async () => {
  const task = fileOf(prompts(120));
  const setup = await setUp(request(task, { budgetMinutes: 1e-9 }));
  await expect(tuned(setup, serving(), silent)).rejects.toThrow(
    /ran out before the test; repeat the command to continue$/,
  );
  expect((await tuned(await setUp(request(task)), serving(), silent)).certificate).toMatchObject({ attempt: 1 });
});

test("with answers, the loss is harm; a risk above a quarter of dense's quality is refused and does not count as an attempt", async () => {
  const task = fileOf(answered(120));
  const setup = await setUp(request(task));
  expect(setup).toMatchObject({
    loss: "harm",
    problem: { type: "binary" },
    items: { metric: { name: "contains-answer" } },
  });
  const { certificate } = await tuned(setup, serving(), silent);
  expect(certificate).toMatchObject({ quality: 1, type: "binary" });
  // No answer differs from dense's: the bound for audits is the smallest possible with this number of items.
  expect(certificate!.nats).toBeGreaterThan(0.03);
  expect(certificate!.nats).toBeLessThan(0.08);
  const reworded = serving((recipe, { id }) =>
    recipe.includes("match=2") && Number.parseInt(id.slice(0, 8), 16) % 7 === 0 ? { tokens: [3, 4] } : {},
  );
  const other = await tuned(await setUp(request(fileOf(answered(120)))), reworded, silent);
  expect(other.certificate?.mean).toBe(0);
  expect(other.certificate!.nats).toBeGreaterThan(certificate!.nats!);
  const seldom = serving((_, { id }) => ({ text: Number.parseInt(id.slice(0, 8), 16) % 8 === 0 ? "right" : "no" }));
  const low = await setUp(request(fileOf(answered(120))));
  await expect(tuned(low, seldom, silent)).rejects.toThrow(
    /^--risk: 0.05 is more than a quarter of dense's contains-answer, which is 0\.\d+ on the \d+ search items; expected at most 0\.0\d+$/,
  );
  expect(await setUp(request(low.request.task, { name: "again" }))).toMatchObject({ attempt: 1 });
});

/** The synthetic answers with timing noise of a fifth; recipes take `share` of dense's time and work. */
function noisy(share: number): Serving {
  const random = seededRandom(3);
  return {
    ...serving(),
    async answer(recipe, item) {
      const cost = (recipe === "dense" ? 1 : share) * (10 * item.tokens + 100);
      const work = recipe === "dense" ? cost : 0.99 * cost;
      return {
        text: "right",
        tokens: [1, 2],
        reason: "stop",
        ms: cost * (0.8 + 0.4 * random()),
        flops: work,
        bytes: work,
      };
    },
  };
}

test("a gain that may be noise is not tested, and a gain of a fifth is", async () => {
  const none = await tuned(await setUp(request(fileOf(prompts(120)))), noisy(1), silent);
  expect([none.certificate, none.outcome.order, none.outcome.verdicts]).toEqual([undefined, [], []]);
  expect(none.outcome.unsure.length).toBeGreaterThan(0);
  expect(verdictOf(none)).toMatch(
    /^Nothing is certified, so all requests run dense\. Nothing that survived the search is provably faster/,
  );
  expect(tuningPage(none)).toContain("not provably faster");
  const fifth = await tuned(await setUp(request(fileOf(prompts(120)))), noisy(0.8), silent);
  expect(fifth.certificate?.cost.ms.ci95[1]).toBeLessThan(1);
});

test("the gain is one measured figure with its interval, in words and in the report; prices are labelled as such", async () => {
  const done = await tuned(await setUp(request(fileOf(prompts(120)))), noisy(0.8), silent);
  const { cost } = done.certificate!;
  const [low, high] = cost.ms.ci95;
  const { ms } = done.shares!;
  expect(low <= ms && ms <= high).toBe(true);
  const share = percent(ms);
  expect(share).not.toBe(percent(cost.ms.chosen / cost.ms.dense));
  expect(verdictOf(done)).toContain(
    ` An answer takes ${share} of dense's time (${percent(low)} to ${percent(high)} at 0.95) and 79.2 % of its FLOPs: medians of 12 items, each timed alternately with dense, which takes ${duration(cost.ms.dense)}. `,
  );
  const page = tuningPage(done);
  expect(page).toContain(`<td>${share} [${percent(low)}, ${percent(high)}]</td>`);
  expect(page).toContain(escaped("price as a share of dense"));
  expect(page).not.toContain(`<td>${duration(cost.ms.chosen)}</td>`);
});

test("FLOPs have no noise: a hundredth less is a gain", async () => {
  const setup = await setUp(request(fileOf(prompts(120)), { cost: "flops" }));
  const done = await tuned(setup, noisy(1), silent);
  expect(done.certificate?.cost.by).toBe("flops");
  expect(verdictOf(done)).toMatch(/ An answer takes 99\.0 % of dense's FLOPs and \S+ % of its time \(/);
});

test("the certificate has the least limit at which an answer of the test was cut", async () => {
  const limits = async (cut: (recipe: string, item: ServedItem) => boolean) => {
    const setup = await setUp(request(fileOf(prompts(120))));
    // Items of one file share a limit; a task's items may have several.
    const items = setup.problem.items.map((item) => ({ ...item, maxTokens: 8 + (item.tokens % 5) }));
    const ownSetup = { ...setup, problem: { ...setup.problem, items } };
    const cutting: Serving = {
      ...serving(),
      answer: async (recipe, item) => ({
        ...(await serving().answer(recipe, item)),
        reason: cut(recipe, item) ? "length" : "stop",
      }),
    };
    const { certificate, outcome } = await tuned(ownSetup, cutting, silent);
    return { limit: certificate!.maxTokens, test: outcome.test, search: outcome.search };
  };
  expect(await limits(() => false)).toMatchObject({ limit: undefined });
  const { limit, test } = await limits((recipe) => recipe === "dense");
  expect(limit).toBe(Math.min(...test.map(({ maxTokens }) => maxTokens)));
  const saved = await limits((recipe, { maxTokens }) => recipe.includes("match=2") && maxTokens > 9);
  expect(saved.limit).toBe(Math.min(...saved.test.map(({ maxTokens }) => maxTokens).filter((most) => most > 9)));
  // Answers of other recipes, or in the search, do not count.
  expect(await limits((recipe) => recipe.includes("match=3"))).toMatchObject({ limit: undefined });
  const { search } = await limits(() => false);
  const searched = new Set(search.map(({ id }) => id));
  expect(await limits((_, { id }) => searched.has(id))).toMatchObject({ limit: undefined });
});

test("items that cannot certify anything are refused before anything runs", async () => {
  const nothing: Serving = serving(() => {
    throw new Error("something ran");
  });
  const refused = async (rows: readonly object[], options: object = {}) =>
    tuned(await setUp(request(fileOf(rows), options)), nothing, silent);
  await expect(refused(prompts(10))).rejects.toThrow(
    /: 10 items leave 7 for the test, which can certify 0\.\d+ at best; --risk 0\.05 needs \d+ items in the file, \d+ of them for the test$/,
  );
  await expect(refused(Array(200).fill({ prompt: "abc" }))).rejects.toThrow(
    /: its 200 items are one group, since their prompts or groups are equal; expected \d+ groups$/,
  );
  await expect(refused(prompts(200).map((line, i) => ({ ...line, group: i % 20 })))).rejects.toThrow(
    /: 20 groups leave 14 for the test/,
  );
  await expect(refused(prompts(200), { temperature: 0.7, loss: "agreement" })).rejects.toThrow(
    "--loss agreement needs greedy answers, but these are drawn at random; --temperature 0 makes them greedy",
  );
});

test("a real model: lookups keep dense's text, an exit does not, and short prompts are reported", async () => {
  const task = fileOf(prompts(100));
  const setup = await setUp(request(task, { temperature: 0, loss: "nats" }, { candidates: undefined }));
  expect(setup.excluded.find(({ family }) => family === "xattention")?.reason).toMatch(
    /^the median prompt has \d+ tokens, but it acts only on prompts from 4,096$/,
  );
  const { folder, dropped } = await runTuning(setup, silent);
  const losses = lines(folder, "answers.jsonl")
    .map((line) => JSON.parse(line) as { recipe: string; loss: number })
    .filter(({ recipe }) => /^lookup[^ ]*$/.test(recipe));
  expect(losses.length).toBeGreaterThan(0);
  expect(losses.every(({ loss }) => loss < 1e-3)).toBe(true);
  expect(dropped.map(({ recipe }) => recipe).join()).toContain("exit:layer=1");
});

test.skipIf(!namesByteProducts())(
  "in rotated bytes, int8-prefill is listed with the reason why it changes nothing",
  async () => {
    using rotated = await load(TINY, { quant: "q8r" });
    const candidates = [parseRecipe(["int8-prefill:minLength=1"]), parseRecipe(["lookup"])];
    const { excluded, identity } = await setUp({ ...request(fileOf(prompts(100))), model: rotated, candidates });
    expect(identity.form).toBe("q8r");
    expect(excluded.map(({ reason }) => reason)).toEqual([
      "int8-prefill changes nothing here: prompts run in rotated bytes already (q8r)",
    ]);
  },
);
