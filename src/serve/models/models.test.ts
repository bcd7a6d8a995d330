import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import { Engine } from "../../engine/decode/run/engine.ts";
import { schedulerOptions } from "../../engine/schedule/scheduler.ts";
import { registerRecipe, unregisterRecipe } from "../../savings/registered.ts";
import { hold } from "../hold.testing.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { Catalogue } from "./catalogue.ts";
import { checkBudget } from "./memory.ts";
import { Pool } from "./pool.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-home-"));
const SPARSE = "xattention:threshold=0.3,blockSize=8,stride=4,minLengthForSparse=70";
let catalogue: Catalogue;
beforeAll(async () => {
  vi.stubEnv("MODICUM_HOME", home);
  const evidence = { file: "x", sha256: "", task: "t", metric: "m", quality: 1, delta: 0, flops_saved: 0.1 };
  const entry = { evidence, recipe: [SPARSE], created: new Date().toISOString() };
  for (const model of ["tiny", "absent"]) await registerRecipe(`${model}@fast`, { ...entry, model });
  catalogue = await Catalogue.open(TINY);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

/** A request without room is refused at once. */
const nobodyWaits = schedulerOptions.parse({ queue: 0 });

const choose = (name: string, savings: string[] = []) => catalogue.choose({ model: name, savings });

describe("names", () => {
  test("of paths are their last part, unless two models would share it", async () => {
    const [, file] = TINY[0]!.split("=");
    const own = await Catalogue.open([file!, `other=${file}`]);
    expect(own.list().map(({ id }) => id)).toEqual(["llama-tiny", "other"]);
    await expect(Catalogue.open([file!, file!])).rejects.toThrow('two models are named "llama-tiny"; use name=MODEL');
  });

  test("on offer include pipelines'", async () => {
    const { names } = await Catalogue.open([...TINY, "tiny+first"]);
    expect(names).toEqual([...catalogue.names, "tiny+first"]);
  });

  test("of recipes may be the command line's, for a model with another name here", async () => {
    const name = "llama-tiny.gguf@own";
    await registerRecipe(name, { model: TINY[0]!.split("=")[1]!, recipe: [SPARSE], created: new Date().toISOString() });
    expect((await choose(name)).served.id).toBe("tiny");
    expect((await catalogue.choose({ model: "tiny" }, ["other@x", name])).recipe.map(({ text }) => text)).toEqual([
      SPARSE,
    ]);
    await unregisterRecipe(name);
  });

  test("of recipes count if their model is offered; the request's savings come after", async () => {
    const { served, recipe } = await choose("tiny@fast", ["dense"]);
    expect([served.id, recipe.map(({ text }) => text)]).toEqual(["tiny", [SPARSE]]);
    expect((await catalogue.recipes()).map(([name]) => name)).toEqual(["tiny@fast"]);
    await expect(choose("absent@fast")).rejects.toMatchObject({ status: 404 });
    await expect(choose("tiny@fats")).rejects.toThrow('did you mean "tiny@fast"?');
  });
});

describe("models in memory", () => {
  const bytesOf = (...names: string[]) =>
    catalogue.list().reduce((sum, { id, source }) => sum + (names.includes(id) ? source.bytes : 0), 0);
  const idsOf = (pool: Pool) => pool.list().map(({ id, users }) => `${id}:${users}`);

  test("make room for each other, the least recently used first, but not while they are active", async () => {
    // One byte less than all three.
    using pool = new Pool(bytesOf("sentences", "labels", "ranker") - 1, { scheduling: nobodyWaits });
    const lease = async (name: string) => pool.lease(await choose(name));
    for (const name of ["sentences", "labels", "sentences"]) (await lease(name))[Symbol.dispose]();
    using ranker = await lease("ranker");
    expect(idsOf(pool)).toEqual(["sentences:0", "ranker:1"]);
    using sentences = await lease("sentences");
    await expect(lease("labels")).rejects.toMatchObject({ reason: "full" });
    expect([ranker.model.name, sentences.model.name]).toEqual(["ranker", "sentences"]);
  });

  test("that are unused leave after a while, not before", async () => {
    using pool = new Pool(1e9, { scheduling: schedulerOptions.parse({}) }, 150);
    const lease = async () => pool.lease(await choose("tiny"));
    const first = await lease();
    first[Symbol.dispose]();
    const second = await lease();
    first[Symbol.dispose]();
    await setTimeout(300);
    expect(idsOf(pool)).toEqual(["tiny:1"]);
    second[Symbol.dispose]();
    expect(idsOf(pool)).toEqual(["tiny:0"]);
    await expect.poll(() => idsOf(pool)).toEqual([]);
    (await lease())[Symbol.dispose]();
    expect(idsOf(pool)).toEqual(["tiny:0"]);
  });

  test("stay as long as the last request says; for good below 0", async () => {
    using pool = new Pool(1e9, { scheduling: schedulerOptions.parse({}) });
    const used = async (...all: (number | string | undefined)[]) => {
      for (const keep_alive of all) {
        const choice = await catalogue.choose({ model: "tiny", ...(keep_alive !== undefined && { keep_alive }) });
        (await pool.lease(choice))[Symbol.dispose]();
      }
      await setTimeout(100);
      return idsOf(pool);
    };
    for (const gone of [0, "0", "1ms", 0.001, "0.00001m"]) expect(await used(-1, gone)).toEqual([]);
    for (const stays of [-1, "-1m", "5m", "24h", 60, 1e99, undefined]) expect(await used(0, stays)).toEqual(["tiny:0"]);
  });

  test("in another form are a separate copy, counted by that form's size", async () => {
    const whole = await Catalogue.open(TINY.slice(0, 1), { quant: "f32" });
    using pool = new Pool(1e9, { scheduling: schedulerOptions.parse({}) });
    for (const from of [whole, catalogue]) (await pool.lease(await from.choose({ model: "tiny" })))[Symbol.dispose]();
    expect(pool.list().map(({ id, quant }) => [id, quant])).toEqual([
      ["tiny", "f32"],
      ["tiny", "auto"],
    ]);
    using narrow = new Pool(bytesOf("tiny"), { scheduling: schedulerOptions.parse({}) });
    await expect(narrow.lease(await whole.choose({ model: "tiny" }))).rejects.toThrow("there is no memory for tiny");
    await expect(() => checkBudget(bytesOf("tiny"), whole.list())).rejects.toThrow(/^tiny has .* raise --memory$/);
  });

  test("are one copy whatever the recipes, loaded once and no larger for them", async () => {
    const loads = vi.spyOn(LanguageModel, "load");
    using pool = new Pool(bytesOf("tiny"), { scheduling: nobodyWaits });
    using dense = await pool.lease(await choose("tiny"));
    using named = await pool.lease(await catalogue.choose({ model: "tiny@fast" }));
    using own = await pool.lease(await choose("tiny", ["xattention:threshold=0.5,minLengthForSparse=70"]));
    expect(new Set([dense, named, own].map(({ model }) => model)).size).toBe(1);
    expect([loads.mock.calls.length, ...idsOf(pool)]).toEqual([1, "tiny:3"]);
    loads.mockRestore();
  });

  test("are another copy in the form that a recipe was registered with", async () => {
    const created = new Date().toISOString();
    await registerRecipe("tiny@whole", { model: "tiny", recipe: [SPARSE], quant: "f32", created });
    using pool = new Pool(1e9, { scheduling: nobodyWaits });
    for (const name of ["tiny", "tiny@fast", "tiny@whole"])
      (await pool.lease(await catalogue.choose({ model: name })))[Symbol.dispose]();
    expect(pool.list().map(({ quant }) => quant)).toEqual(["auto", "f32"]);
    await unregisterRecipe("tiny@whole");
  });

  test("count with their keys and values; ended answers' go before any model does", async () => {
    using pool = new Pool(bytesOf("tiny", "sentences"), { scheduling: nobodyWaits });
    const cacheBytes = () => pool.list()[0]!.keyValues!.bytes;
    using lease = await pool.lease(await choose("tiny"));
    const answer = lease.model.generate("abc", { maxTokens: 50 })[Symbol.asyncIterator]();
    await answer.next();
    await expect(pool.lease(await choose("sentences"))).rejects.toMatchObject({ reason: "full" });
    await answer.return?.();
    await lease.model.complete("abc", { maxTokens: 5 });
    expect(cacheBytes()).toBeGreaterThan(0);
    (await pool.lease(await choose("sentences")))[Symbol.dispose]();
    expect([cacheBytes(), ...idsOf(pool)]).toEqual([0, "tiny:1", "sentences:0"]);
  });

  test("make no room for a model that cannot be loaded", async () => {
    using pool = new Pool(bytesOf("sentences", "tiny"), { scheduling: schedulerOptions.parse({}) });
    (await pool.lease(await choose("sentences")))[Symbol.dispose]();
    (await pool.lease(await choose("tiny")))[Symbol.dispose]();
    const lease = async (name: string, ...savings: string[]) => pool.lease(await choose(name, savings));
    await expect(lease("tiny", SPARSE, SPARSE)).rejects.toThrow("a recipe can have only one of them");
    await expect(lease("ranker", SPARSE)).rejects.toThrow("no seams for savings");
    expect(idsOf(pool)).toEqual(["sentences:0", "tiny:0"]);
  });

  test("that can never fit are reported at the start", async () => {
    await expect(() => checkBudget(1, catalogue.list())).rejects.toThrow(
      /^tiny has 0\.00 GB of weights, and the memory .*raise --memory$/,
    );
  });

  test("are loaded once for simultaneous requests", async () => {
    using pool = new Pool(bytesOf("tiny"), { scheduling: schedulerOptions.parse({}) });
    const choice = await choose("tiny");
    const [a, b] = await Promise.all([pool.lease(choice), pool.lease(choice)]);
    expect([a!.model === b!.model, idsOf(pool)]).toEqual([true, ["tiny:2"]]);
    a![Symbol.dispose]();
    a![Symbol.dispose]();
    expect(idsOf(pool)).toEqual(["tiny:1"]);
    b![Symbol.dispose]();
  });
});

/** No answer ends before its last token. */
const END = { 0: -100, 2: -100 };

describe("requests under recipes", () => {
  let server: Testing;
  const prompt = "a b c ".repeat(30);
  const ask = (body: object) =>
    post(server, "/v1/completions", { model: "tiny", prompt, max_tokens: 12, temperature: 0, ...body });
  const receiptOf = async (body: object) => (await jsonOf(ask(body))).receipt;
  const atWork = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const all = [...text.matchAll(/num_requests_\w+\{model_name="tiny"\} (\d+)/g)];
    return all.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const loaded = async (id = "tiny") => (await jsonOf(fetch(`${server.url}/v1/models/${id}`))).loaded;
  beforeAll(async () => {
    server = await serveModels(TINY);
  });
  afterAll(() => server.stop(0));

  test("save the same by the recipe's name and by the request's field; dense saves nothing", async () => {
    const [dense, named, field] = [
      await receiptOf({}),
      await receiptOf({ model: "tiny@fast" }),
      await receiptOf({ savings: [SPARSE] }),
    ];
    expect([dense.recipe, named.recipe, field.recipe]).toEqual([[], [SPARSE], [SPARSE]]);
    expect(dense.flops.saved).toBe(0);
    expect(dense.work.blocks).toBeUndefined();
    expect(named.work.blocks.run).toBeLessThan(named.work.blocks.dense);
    expect(named.flops.dense).toBe(dense.flops.dense);
    expect(await loaded()).toEqual([{ quant: "auto", users: 0 }]);
  });

  test("run at the same time in one batch, each with the same text as alone", async () => {
    const savings = ["xattention:threshold=0.1,blockSize=8,minLengthForSparse=9"];
    const bodies = [{}, { model: "tiny@fast" }, { savings }].map((body, i) => ({
      ...{ ...body, prompt: `${"xyz"[i]} ${prompt}`, temperature: 0.8, seed: i, logit_bias: END },
    }));
    const answerOf = async (to: Testing, body: object) => {
      const response = post(to, "/v1/completions", { model: "tiny", max_tokens: 16, ...body });
      const { choices, receipt } = await jsonOf(response);
      return [choices[0].text, receipt.recipe, receipt.tokens.completion, receipt.work.blocks];
    };
    const other = await serveModels(TINY.slice(0, 1));
    const alone = [];
    for (const body of bodies) alone.push(await answerOf(other, body));
    await other.stop(0);
    const goOn = hold();
    const answers = Promise.all(bodies.map((body) => answerOf(server, body)));
    await expect.poll(atWork).toBe(3);
    goOn();
    const stepped = vi.spyOn(Engine.prototype, "stepAll");
    const together = await answers;
    const most = Math.max(...stepped.mock.calls.map(([steps]) => steps.length));
    stepped.mockRestore();
    expect(most).toBe(3);
    expect(together).toEqual(alone);
  });

  test("share one model, shown in memory once, with its recipes", async () => {
    const { data } = await jsonOf(fetch(`${server.url}/v1/models`));
    const models = data.filter(({ parent }: { parent?: string }) => parent === undefined);
    expect(models.map(({ id }: { id: string }) => id)).toEqual(["tiny", "sentences", "ranker", "labels"]);
    const loaded = [{ quant: "auto", users: 0 }];
    expect(models[0]).toMatchObject({ recipe: [], recipes: ["tiny@fast"], loaded });
    const one = await jsonOf(fetch(`${server.url}/v1/models/tiny@fast`));
    expect(one).toMatchObject({ id: "tiny@fast", parent: "tiny", recipe: [SPARSE], recipes: [], loaded });
    expect(data).toContainEqual(one);
  });

  test.each([
    [
      "two savings at one place of the model",
      { savings: [SPARSE, "tri-shape"] },
      /both change .*; a recipe can have only one of them/,
    ],
    [
      "one beside the registered recipe's",
      { model: "tiny@fast", savings: [SPARSE] },
      /a recipe can have only one of them/,
    ],
    ["an option that names a file", { savings: ["xattention:thresholds=/x"] }, /thresholds names a file, which a req/],
    ["an option that there is not", { savings: ["xattention:treshold=1"] }, /did you mean "threshold"/],
  ])("are refused with one sentence for %s", async (_, body, sentence) => {
    const response = await ask(body);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([400, expect.stringMatching(sentence)]);
  });

  test("are refused for a saving that does not fit the model, whole or streamed, and load nothing", async () => {
    const other = await serveModels(TINY.slice(0, 2).toReversed());
    for (const to of [other, server])
      for (const stream of [false, true]) {
        const body = { model: "tiny", prompt, max_tokens: 3, stream, savings: ["exit:layer=99"] };
        const response = await post(to, "/v1/completions", body);
        const { error } = await jsonOf(response);
        expect([response.status, error.message]).toEqual([400, expect.stringMatching(/^exit: there is no layer 99/)]);
      }
    expect((await jsonOf(fetch(`${other.url}/v1/models/tiny`))).loaded).toEqual([]);
    await other.stop(0);
  });

  test.each([
    ["/v1/embeddings", { model: "sentences", input: "abc" }],
    ["/v1/rerank", { model: "ranker", query: "a", documents: ["b"] }],
    ["/v1/classify", { model: "labels", input: "abc" }],
  ])("of %s are refused if the model has no seam, whether or not it is in memory", async (at, body) => {
    const refused = async () => {
      const response = await post(server, at, { ...body, savings: [SPARSE] });
      return [response.status, (await jsonOf(response)).error.message];
    };
    const sentence = [400, expect.stringMatching(/cannot act$/)];
    expect([await refused(), await loaded(body.model)]).toEqual([sentence, []]);
    expect((await post(server, at, body)).status).toBe(200);
    expect(await refused()).toEqual(sentence);
  });
});

test("registry files of earlier versions still provide their recipes", async () => {
  const file = path.join(home, "recipes.json");
  const before = readFileSync(file);
  const old = { model: "tiny", recipe: [SPARSE], evidence: { file: "x", sha256: "", task: "t", metric: "m" } };
  const measured = { quality: 1, delta: 0, flops_saved: 0.1 };
  const entry = { ...old, evidence: { ...old.evidence, ...measured }, created: "2025-01-02T03:04:05.678Z" };
  writeFileSync(file, JSON.stringify({ "tiny@old": entry }));
  const { served, recipe, quant } = await catalogue.choose({ model: "tiny@old" });
  expect([served.id, recipe.map(({ text }) => text), quant]).toEqual(["tiny", [SPARSE], "auto"]);
  writeFileSync(file, before);
});

test("a model in rotated bytes is not offered the saving that changes nothing there", async () => {
  const taken = async (quant: "auto" | "q8r") => {
    const catalogue = await Catalogue.open(TINY.slice(0, 1), { quant });
    return catalogue.savingsOf(catalogue.list()[0]!);
  };
  const [usual, rotated] = [await taken("auto"), await taken("q8r")];
  expect(usual).toContain("lookup");
  expect(rotated).toEqual(usual.filter((name) => name !== "int8-prefill"));
});
