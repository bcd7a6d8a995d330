import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { dropping } from "../answer/answer.testing.ts";
import { accuracy, labelAccuracy } from "../metrics/index.ts";
import { resultSchema, summarySchema } from "../results.ts";
import type { Task } from "../task.ts";
import { findTask } from "../tasks/registry.ts";
import { LocalExecutor } from "./executor.ts";
import { type Grid, runGrid, type Watcher } from "./grid.ts";
import { readRun } from "./held.ts";
import { runOptions } from "./options.ts";
import { choiceTask, TINY, textTask } from "./run.testing.ts";
import { parseSearch } from "./search/spec.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

const written = (text: string): string => {
  const file = path.join(folder, "text.txt");
  writeFileSync(file, text);
  return file;
};

const silent: Watcher = { begin() {}, recipe: () => () => {} };
const sparse = parseRecipe(["xattention:threshold=0.9"]);

async function grid(name: string, changes: Partial<Grid> = {}, options = {}): Promise<Grid> {
  const cell = {
    task: choiceTask(20),
    source: await resolveModel(TINY),
    quant: "f32" as const,
    options: runOptions.parse(options),
  };
  const out = path.join(folder, name);
  return {
    cells: [cell],
    recipes: [sparse],
    searches: [],
    budget: {},
    out,
    reuse: "refuse",
    command: "lab run",
    version: "0",
    ...changes,
  };
}

const lines = (out: string) => readFileSync(path.join(out, "results.jsonl"), "utf8").split("\n").slice(0, -1);
/** The results without timings. */
const lasting = (out: string) => {
  const {
    recipes,
    created: _,
    ...rest
  } = summarySchema.parse(JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8")));
  return { ...rest, recipes: recipes.map(({ ms_per_item: _, ...recipe }) => recipe) };
};

describe("a run", () => {
  test("answers every item once under dense and each recipe, and sums up", async () => {
    const whole = await grid("whole");
    const loads = vi.spyOn(LanguageModel, "load");
    const [summary] = await runGrid(whole, silent);
    expect(loads).toHaveBeenCalledTimes(1);
    loads.mockRestore();
    const results = lines(whole.out).map((line) => resultSchema.parse(JSON.parse(line)));
    expect(results).toHaveLength(40);
    expect(new Set(results.map((r) => `${r.recipe} ${r.item}`)).size).toBe(40);
    expect(summary).toEqual(summarySchema.parse(summary));
    expect(summary!.recipes.map((r) => r.recipe)).toEqual(["dense", "xattention:threshold=0.9"]);
    expect(summary!.recipes.map((r) => r.resolved)).toEqual([
      undefined,
      [expect.stringMatching(/^xattention:threshold=0\.9,stride=8,blockSize=128,.*minLengthForSparse=4096$/)],
    ]);
    const [dense, other] = summary!.recipes;
    expect(dense).toMatchObject({ delta: { mean: 0, ci95: [0, 0] }, flops_saved: 0, on_frontier: true });
    // Prompts this short are prefilled densely.
    expect(other).toMatchObject({ quality: dense!.quality, delta: { mean: 0 }, flops_saved: 0 });
    const right = results.filter((r) => r.recipe === "dense" && r.parts["accuracy"]![0] === 1).length;
    expect(dense!.quality).toBeCloseTo(right / 20, 12);
  });

  test("stopped anywhere and resumed, it answers no item twice and returns the same summary", async () => {
    const whole = lasting((await grid("whole")).out);
    for (const stopAt of [0, 7, 20, 33]) {
      const part = await grid(`stopped-${stopAt}`);
      const stop = new AbortController();
      let seen = 0;
      const stopping = { begin() {}, recipe: () => () => void (seen++ === stopAt && stop.abort()) };
      await expect(runGrid(part, stopping, stop.signal)).rejects.toThrow(/abort/);
      expect(lines(part.out).length).toBe(stopAt + 1);
      // The end of a file whose writer was killed.
      appendFileSync(path.join(part.out, "results.jsonl"), '{"item":"q1","rec');
      let [again, held] = [0, 0];
      const recipe: Watcher["recipe"] = (_cell, _recipe, had) => {
        held += had.length;
        return () => void again++;
      };
      await runGrid({ ...part, reuse: "resume" }, { begin() {}, recipe });
      expect([again, held]).toEqual([40 - stopAt - 1, stopAt + 1]);
      expect(lines(part.out)).toHaveLength(40);
      expect(lasting(part.out)).toEqual(whole);
    }
  });

  test("a search's settings join the recipes, with its cost; resumed, it finds the same and spends nothing", async () => {
    const wide = await grid("search", { recipes: [], searches: [parseSearch("xattention:threshold=0.5..1")] });
    const [summary] = await runGrid(wide, silent);
    expect(summary!.recipes.map((r) => r.recipe)).toEqual([
      "dense",
      "xattention:threshold=0.5",
      "xattention:threshold=1",
    ]);
    // Prompts this short are dense, so both ends are equal.
    expect(summary!.searches).toEqual([expect.objectContaining({ probes: 2, ended: "found" })]);
    let again = 0;
    const [resumed] = await runGrid({ ...wide, reuse: "resume" }, { begin() {}, recipe: () => () => void again++ });
    expect(again).toBe(0);
    expect(resumed!.searches).toEqual(summary!.searches);
  });

  test("a budget below any probe is reported after one item", async () => {
    const searches = [parseSearch("xattention:threshold=0.5..1")];
    const poor = await grid("poor", { recipes: [], searches, budget: { budgetFlops: 1 } }, { limit: 6 });
    const [summary] = await runGrid(poor, silent);
    expect(summary!.recipes.map((r) => r.recipe)).toEqual(["dense"]);
    expect(summary!.searches).toEqual([expect.objectContaining({ probes: 1, ended: "budget" })]);
    expect(lines(poor.out)).toHaveLength(7);
  });

  test("two processes in one folder take turns: the second finds everything done", async () => {
    const one = await grid("turns", { reuse: "resume" }, { limit: 6 });
    let [answered, waited] = [0, 0];
    const notice = (sentence: string) => {
      if (sentence.includes("waiting for it")) waited++;
    };
    const watcher = { begin() {}, notice, recipe: () => () => void answered++ };
    await Promise.all([runGrid(one, watcher), runGrid(one, watcher)]);
    expect([answered, waited]).toEqual([12, 1]);
    expect(lines(one.out)).toHaveLength(12);
  });

  test("an error in the last cell, or a recipe that does not fit the model, is reported before anything is answered", async () => {
    const one = await grid("checked", {}, { limit: 3 });
    const [cell] = one.cells;
    const nothing = { ...choiceTask(0, "nothing"), async *items() {} } as Task;
    const cells = [cell!, { ...cell!, task: nothing }];
    await expect(runGrid({ ...one, cells }, silent)).rejects.toThrow("nothing has no items");
    const clash = [parseRecipe(["xattention", "xattention:stride=4"])];
    await expect(runGrid({ ...one, recipes: clash }, silent)).rejects.toThrow(/xattention is given twice/);
    const task = (await findTask(`text:${written("abc de ".repeat(50))}`)) as Task;
    const texts = [{ ...cell!, task }];
    await expect(runGrid({ ...one, cells: texts, recipes: [[dropping]] }, silent)).rejects.toThrow(
      /^drop:keep=0.5 drops tokens of the prompt, but the "text" task scores every token/,
    );
    expect(existsSync(one.out)).toBe(false);
    await runGrid({ ...one, out: path.join(one.out, "b@llama-tiny.gguf") }, silent);
    const held = ["a", "b"].map((name) => ({ ...cell!, task: choiceTask(5, name) }));
    await expect(runGrid({ ...one, cells: held }, silent)).rejects.toThrow(
      /b@llama-tiny\.gguf already holds a lab run/,
    );
    expect(existsSync(path.join(one.out, "a@llama-tiny.gguf"))).toBe(false);
  });

  test("several tasks: each has a folder", async () => {
    const one = await grid("several", {}, { limit: 3 });
    await expect(runGrid({ ...one, cells: [...one.cells, ...one.cells] }, silent)).rejects.toThrow(/two of the runs/);
    const cells = ["a", "b/c"].map((name) => ({ ...one.cells[0]!, task: choiceTask(5, name) }));
    const summaries = await runGrid({ ...one, cells }, silent);
    expect(summaries.map((s) => s.items)).toEqual([3, 3]);
    for (const name of ["a", "b_c"]) expect(lines(path.join(one.out, `${name}@llama-tiny.gguf`))).toHaveLength(6);
  });
});

test("several forms of the weights: each has a folder, with the form and the bytes in its summary and results", async () => {
  const one = await grid("forms", { recipes: [] }, { limit: 3 });
  const forms = ["f32", "q8"] as const;
  const summaries = await runGrid({ ...one, cells: forms.map((quant) => ({ ...one.cells[0]!, quant })) }, silent);
  expect(summaries.map((s) => s.quant)).toEqual(forms);
  const [exact, rounded] = summaries.map((s) => s.recipes[0]!.bytes_per_item!);
  expect(rounded).toBeLessThan(exact!);
  for (const form of forms) expect(lines(path.join(one.out, `letters@llama-tiny.gguf@${form}`))).toHaveLength(3);
});

test("answers generated side by side: the same groups and results however often the run is killed; another number of rows is another run", async () => {
  const base = await grid("rows", { recipes: [] }, { rows: 4 });
  const cells = [{ ...base.cells[0]!, task: textTask(10) }];
  const whole = { ...base, cells };
  const [summary] = await runGrid(whole, silent);
  const file = path.join(whole.out, "results.jsonl");
  const rows = lines(whole.out).map((line) => JSON.parse(line));
  for (const at of [1, 4, 6]) {
    writeFileSync(file, `${lines(whole.out).slice(0, at).join("\n")}\n`);
    let again = 0;
    const [resumed] = await runGrid({ ...whole, reuse: "resume" }, { begin() {}, recipe: () => () => void again++ });
    expect(again).toBe(10 - at);
    expect(lines(whole.out).map((line) => ({ ...JSON.parse(line), ms: 0 }))).toEqual(
      rows.map((r) => ({ ...r, ms: 0 })),
    );
    expect(resumed!.recipes[0]).toEqual({ ...summary!.recipes[0], ms_per_item: expect.any(Number) });
  }
  const alone = [{ ...cells[0]!, options: runOptions.parse({}) }];
  await expect(runGrid({ ...whole, cells: alone, reuse: "resume" }, silent)).rejects.toThrow(
    /its rows is 4, this run's 1/,
  );
});

test("a run that fails in the middle leaves its queue", async () => {
  const failing = await grid("failing", { recipes: [] }, { limit: 2 });
  const disposal = vi.spyOn(LocalExecutor.prototype, Symbol.asyncDispose);
  const gone = () => {
    throw new Error("gone");
  };
  await expect(runGrid(failing, { ...silent, recipe: () => gone })).rejects.toThrow("gone");
  expect(disposal).toHaveBeenCalledOnce();
});

test("an unavailable queue leaves no new folder, and keeps the run that it would replace", async () => {
  const one = await grid("no-queue", { recipes: [] }, { limit: 2 });
  const queue = "nowhere";
  await expect(runGrid({ ...one, queue }, silent)).rejects.toThrow(/expected redis:/);
  expect(existsSync(one.out)).toBe(false);
  await runGrid(one, silent);
  await expect(runGrid({ ...one, queue, reuse: "force" }, silent)).rejects.toThrow(/expected redis:/);
  expect(lines(one.out)).toHaveLength(2);
});

test("NaN and infinite numbers are written and read back", async () => {
  const one = await grid("infinite", { recipes: [] }, { limit: 3 });
  const none = { ...accuracy, part: () => [Number.NaN], quality: () => Number.POSITIVE_INFINITY };
  const task = { ...one.cells[0]!.task, metrics: [none] } as unknown as Grid["cells"][number]["task"];
  const cells = [{ ...one.cells[0]!, task }];
  const [written] = await runGrid({ ...one, cells }, silent);
  const [resumed] = await runGrid({ ...one, cells, reuse: "resume" }, silent);
  expect(resumed!.recipes[0]).toEqual({ ...written!.recipes[0], ms_per_item: expect.any(Number) });
  const { summary, results } = await readRun(one.out);
  expect(summary.recipes[0]!.quality).toBe(Number.POSITIVE_INFINITY);
  expect(results.map((result) => result.parts["accuracy"])).toEqual(Array(3).fill([Number.NaN]));
});

describe("a folder with contents", () => {
  test("another run's is refused, resumed or replaced, by the option", async () => {
    const first = await grid("held", {}, { limit: 4 });
    await runGrid(first, silent);
    await expect(runGrid(first, silent)).rejects.toThrow(/already holds a lab run; --resume .* --force/);
    const more = await grid("held", { reuse: "resume" }, { limit: 5 });
    await expect(runGrid(more, silent)).rejects.toThrow(/another run: its limit is 4, this run's 5$/);
    expect(lines(first.out)).toHaveLength(8);
    await runGrid({ ...more, reuse: "force" }, silent);
    expect(lines(first.out)).toHaveLength(10);
  });

  test("results of another model hash, or of as many other items, are refused", async () => {
    const first = await grid("other-model", {}, { limit: 2 });
    await runGrid(first, silent);
    const file = path.join(first.out, "run.json");
    const own = readFileSync(file, "utf8");
    writeFileSync(file, own.replace(/"model_hash": "../, '"model_hash": "zz'));
    await expect(runGrid({ ...first, reuse: "resume" }, silent)).rejects.toThrow(/its model hash is zz/);
    writeFileSync(file, own.replace(/"items_hash": "../, '"items_hash": "zz'));
    await expect(runGrid({ ...first, reuse: "resume" }, silent)).rejects.toThrow(
      /has equally many items, but different ones/,
    );
  });

  test("lines of other items, other questions, other metrics, or repeated ones are refused", async () => {
    const own = await grid("mixed", {}, { limit: 2 });
    await runGrid(own, silent);
    const file = path.join(own.out, "results.jsonl");
    const whole = readFileSync(file, "utf8");
    const resumed = (text: string) => {
      writeFileSync(file, text);
      return runGrid({ ...own, reuse: "resume" }, silent);
    };
    const [first] = lines(own.out);
    for (const [text, message] of [
      [
        `${whole}${first!.replace('"q0"', '"other"')}\n`,
        /line 5 is not a result of this run: letters has no item "other"/,
      ],
      [whole.replace(/"item_hash":"\w+"/, '"item_hash":"deadbeef"'), /line 1 .*"q0" is a different question/],
      [whole.replace('"accuracy":', '"bleu":'), /line 1 .*: it has no values for the metric accuracy; --force/],
      [`${whole}${first}\n`, /line 5 .*: item "q0" occurs twice under dense/],
    ] as const)
      await expect(resumed(text)).rejects.toThrow(message);
    await resumed(whole.replaceAll(/"item_hash":"\w+",/g, ""));
    expect(lines(own.out)).toHaveLength(4);
  });

  test("another version's run is refused; one without a version resumes, with a notice", async () => {
    const first = await grid("version", {}, { limit: 2 });
    await runGrid(first, silent);
    await expect(runGrid({ ...first, reuse: "resume", version: "1" }, silent)).rejects.toThrow(
      /another run: its version is 0, this run's 1$/,
    );
    const file = path.join(first.out, "run.json");
    writeFileSync(file, readFileSync(file, "utf8").replace(/,\s*"version": "0"/, ""));
    const messages: string[] = [];
    const watcher: Watcher = { ...silent, notice: (sentence) => messages.push(sentence) };
    await runGrid({ ...first, reuse: "resume", version: "1" }, watcher);
    expect(messages).toContainEqual(expect.stringMatching(/does not say which version .*; version 1 continues it$/));
  });

  test("results of a recipe whose file has changed are refused, and a missing file before any answer", async () => {
    const sha256 = "a".repeat(64);
    const profile = path.join(folder, "profile.json");
    const write = (threshold: number) => {
      const thresholds = Array(2).fill(Array(4).fill(threshold));
      writeFileSync(
        profile,
        JSON.stringify({ modelSha256: sha256, stride: 8, blockSize: 128, coverage: 0.9, thresholds }),
      );
    };
    const base = await grid("profile", { recipes: parseRecipe([`xattention:thresholds=${profile}`]).map((s) => [s]) });
    const [cell] = base.cells;
    const own = { ...base, cells: [{ ...cell!, task: choiceTask(2), source: { ...cell!.source, sha256 } }] };
    await expect(runGrid(own, silent)).rejects.toThrow(/profile\.json: there is no such file/);
    expect(existsSync(own.out)).toBe(false);
    write(0.9);
    await runGrid({ ...own, reuse: "resume" }, silent);
    const files = lines(own.out).map((line) => resultSchema.parse(JSON.parse(line)).files);
    expect(files).toEqual([undefined, undefined, ...Array(2).fill({ [profile]: expect.stringMatching(/^\w{16}$/) })]);
    const seen = parseRecipe([`xattention:thresholds=${path.relative(process.cwd(), profile)}`]);
    const [outcome] = await runGrid({ ...own, recipes: [seen], reuse: "resume" }, silent);
    expect(outcome!.recipes.map(({ steps }) => steps)).toEqual([undefined, [`xattention:thresholds=${profile}`]]);
    expect(outcome!.model_file).toBe(TINY);
    await runGrid({ ...own, reuse: "resume" }, silent);
    write(0.8);
    await expect(runGrid({ ...own, reuse: "resume" }, silent)).rejects.toThrow(/with an older .*profile\.json;/);
    await runGrid({ ...own, reuse: "force" }, silent);
  });

  test("a folder of other files and an invalid line are named", async () => {
    const other = await grid("");
    await expect(runGrid(other, silent)).rejects.toThrow(/is not empty and holds no lab run/);
    const torn = await grid("torn", {}, { limit: 2 });
    await runGrid(torn, silent);
    const file = path.join(torn.out, "results.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace("\n", "}\n"));
    await expect(runGrid({ ...torn, reuse: "resume" }, silent)).rejects.toThrow(/results\.jsonl, line 1: /);
  });
});

describe("prompts beyond the context", () => {
  const long = (length: number) => {
    const task = choiceTask(3);
    return {
      ...task,
      async *items(run: Parameters<typeof task.items>[0]) {
        for await (const item of task.items(run))
          if (item.kind === "choice" && item.id === "q1")
            yield { ...item, choices: item.choices.map((c) => ({ ...c, context: "a b".repeat(length) + c.context })) };
          else yield item;
      },
    } as typeof task;
  };

  test("are counted and left out, or cut if allowed", async () => {
    const base = await grid("long");
    const cells = [{ ...base.cells[0]!, task: long(3000) }];
    const [outcome] = await runGrid({ ...base, cells }, silent);
    expect(outcome).toMatchObject({ items: 2, too_long: 1 });
    for (const truncate of ["left", "middle"] as const) {
      const options = runOptions.parse({ truncate });
      const cutting = { ...base, out: `${base.out}-${truncate}`, cells: [{ ...cells[0]!, options }] };
      const [summary] = await runGrid(cutting, silent);
      expect(summary).toMatchObject({ items: 3, too_long: 0 });
    }
  });
});

test("texts that an encoder cuts are counted in the summary", async () => {
  const base = await grid("cut", { recipes: [] });
  const labels = ["positive", "negative"];
  const texts = ["good", "bad ".repeat(5000)];
  const task = {
    ...{ name: "moods", summary: "", kind: "label", source: "", size: 2, metrics: [labelAccuracy] },
    async *items() {
      for (const [i, text] of texts.entries()) yield { kind: "label", id: String(i), text, labels, gold: i };
    },
  } as Grid["cells"][number]["task"];
  const source = await resolveModel(path.resolve("src/engine/fixtures/classifier"));
  const [summary] = await runGrid({ ...base, cells: [{ ...base.cells[0]!, task, source }] }, silent);
  expect(summary).toMatchObject({ items: 2, too_long: 0, cut_texts: 1 });
});
