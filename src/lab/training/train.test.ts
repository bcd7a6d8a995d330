import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseRecipe, type Recipe } from "../../savings/recipe.ts";
import type { TrainInput } from "../../train/options.ts";
import { readMetrics } from "../../train/session/metrics.ts";
import { preparedFolder, resolveModel } from "../../weights/sources/index.ts";
import { openCell } from "../run/cell.ts";
import { LocalExecutor } from "../run/executor.ts";
import { metricsOf, parts } from "../run/judge.ts";
import { runOptions } from "../run/options.ts";
import { findTask } from "../tasks/registry.ts";
import { labTasks } from "./lab-tasks.ts";
import { resumeTraining, train, trainSweep } from "./train.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lab-training-"));
const home = process.env["MODICUM_HOME"];
beforeAll(() => {
  process.env["MODICUM_HOME"] = path.join(folder, "home");
});
afterAll(() => {
  if (home === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = home;
  rmSync(folder, { recursive: true });
});

const text = path.join(folder, "text.txt");
writeFileSync(text, "ab cd ab ce ab cf. ".repeat(80));

/** In the text, only the right choice follows "ab". */
const task = path.join(folder, "letters.jsonl");
const items = Array.from({ length: 8 }, (_, i) => ({
  prompt: `${"ab ce ".repeat(1 + (i % 3))}ab`,
  choices: ["d", "c", "a"],
  gold: 1,
}));
writeFileSync(task, items.map((item) => `${JSON.stringify(item)}\n`).join(""));

const options: TrainInput = {
  architecture: {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 32, max_position_embeddings: 32, rms_norm_eps: 1e-5 },
  },
  ...{ data: text, tokens: 16, batch: 2, steps: 6, evaluateEvery: 2, evaluateBatches: 1, optimizer: { lr: 2e-2 } },
  ...{ tasks: [task], taskLimit: 6 },
};

const outOf = (name: string): string => path.join(folder, name);

/** The quality of the model in a folder, as measured by a lab run. */
async function qualityOf(model: string, recipe: Recipe = []): Promise<number> {
  const cell = { task: await findTask(task), quant: "auto", options: runOptions.parse({ limit: 6 }) } as const;
  using open = await openCell({ ...cell, source: await resolveModel(model) });
  const [metric] = metricsOf(open.task);
  await using executor = new LocalExecutor(open.model, open.dense);
  const all: number[][] = [];
  for await (const { item, answer } of executor.answer(
    recipe,
    open.items.map((item) => [item]),
  ))
    all.push(parts(open.task, item, answer, answer)[metric!.name]!);
  return metric!.quality(all);
}

test("each evaluation scores the tasks as the lab scores the written model, and leaves nothing else", async () => {
  const out = outOf("scored");
  const { tasks } = await train(options, { out });
  const scores = readMetrics(out).map((report) => report.tasks?.[task]);
  expect(scores.map((score) => typeof score)).toEqual(
    Array.from({ length: 6 }, (_, i) => (i % 2 === 1 ? "number" : "undefined")),
  );
  expect(readdirSync(out).filter((name) => name.endsWith(".part"))).toEqual([]);
  const prepared = path.join(folder, "home", "programs");
  expect(existsSync(prepared) ? readdirSync(prepared) : []).toEqual([]);
  expect(tasks).toEqual({ [task]: await qualityOf(out) });
  expect(scores.at(-1)).toBe(tasks![task]);
  expect(readFileSync(path.join(out, "report.html"), "utf8")).toContain("letters.jsonl</h2>");
});

test("scoring changes no loss, and is billed", async () => {
  const without = await train({ ...options, tasks: [] }, { out: outOf("without") });
  const losses = (name: string) => readMetrics(outOf(name)).map(({ loss }) => loss);
  expect(losses("without")).toEqual(losses("scored"));
  const { receipt } = await resumeTraining(outOf("scored"));
  expect(receipt.flops.forward).toBeGreaterThan(without.receipt.flops.forward);
});

test("patience follows the task that best names", async () => {
  // If the weights do not change, neither does the score.
  const still = { ...options, steps: 20, optimizer: { lr: 1e-30, weightDecay: 0 }, best: task, patience: 2 };
  const { ended, steps } = await train({ ...still, validation: 0 }, { out: outOf("patient") });
  expect({ ended, steps }).toEqual({ ended: "patience", steps: 6 });
});

test("a sweep ranks its runs by the last score of the task", async () => {
  const grid = { "optimizer.lr": [1e-30, 2e-2] };
  const { runs } = await trainSweep(
    { ...options, steps: 30, evaluateEvery: 30, best: task, grid },
    { out: outOf("sweep") },
  );
  const scores = runs.map((run) => run.tasks![task]!);
  expect(runs.map(({ out }) => path.basename(out))).toEqual(["lr=0.02", "lr=1e-30"]);
  expect(scores[0]).toBeGreaterThan(scores[1]!);
});

test("exits are scored under their saving, as the lab scores them once written; the model is unchanged", async () => {
  const file = outOf("llama-tiny.gguf");
  copyFileSync(fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url)), file);
  const prepared = path.join(preparedFolder(file), "of-the-user");
  mkdirSync(path.dirname(prepared), { recursive: true });
  writeFileSync(prepared, "");
  const method = { name: "exit-heads", saving: "dynamax", head: "shared", topK: 10, from: 1, block: 16 };
  const run = { method, model: file, data: text, tasks: [task], taskLimit: 6, best: task };
  const { tasks } = await train(run, { out: outOf("exits") });
  expect(tasks).toEqual({ [task]: await qualityOf(file, parseRecipe([`dynamax:file=${outOf("exits")}`])) });
  expect(readMetrics(outOf("exits")).at(-1)).toMatchObject({ stage: "linear-1", tasks });
  expect(readdirSync(outOf("exits"))).not.toContain("scored.part");
  expect(existsSync(prepared)).toBe(true);
  const scorer = await labTasks({}).open({ tasks: [task], taskLimit: 1 }, (text) => text.length);
  const none = { folder: outOf("no-exits"), base: file, quant: "auto" } as const;
  const scored = scorer.score({ ...none, saving: { name: "dynamax", file: none.folder } });
  await expect(scored).rejects.toThrow(/no-exits.exits\.json: there is no such file/);
});

test.each([
  [{ tasks: ["scicq"] }, /no task is called "scicq"; did you mean "sciq"/],
  [{ tasks: ["consistency:gsm8k"] }, /tasks: consistency:gsm8k compares recipes/],
  [{ best: "sciq" }, /best: expected loss or .*letters\.jsonl, got "sciq"/],
])("%j is refused before anything is trained", async (changed, message) => {
  const out = outOf("refused");
  await expect(train({ ...options, ...changed }, { out })).rejects.toThrow(message);
  expect(existsSync(out)).toBe(false);
});
