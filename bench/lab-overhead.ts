import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Plan } from "../src/lab/answer/index.ts";
import type { ItemOf } from "../src/lab/item.ts";
import { accuracy, accuracyNormalised } from "../src/lab/metrics/index.ts";
import { CellResults, type OpenCell, openCell } from "../src/lab/run/cell.ts";
import { LocalExecutor } from "../src/lab/run/executor.ts";
import { runOptions } from "../src/lab/run/options.ts";
import type { Task } from "../src/lab/task.ts";
import type { Bench, Side } from "./harness.ts";

/** The number of items, each as short as a test's questions. */
const ITEMS = 40;

const task: Task = {
  name: "short",
  summary: "short questions with four choices",
  kind: "choice",
  source: "made here",
  size: ITEMS,
  metrics: [accuracy, accuracyNormalised],
  async *items() {
    for (let i = 0; i < ITEMS; i++) yield question(i);
  },
};

function question(i: number): ItemOf<"choice"> {
  const context = `Question: Which of these is seen in the sky at ${1 + (i % 12)} o'clock on day ${i}?\nAnswer:`;
  const choices = [" the moon", " a fish", " a long street", " nothing"];
  return {
    kind: "choice",
    id: String(i),
    gold: 0,
    choices: choices.map((continuation) => ({ context, continuation })),
  };
}

/** Both sides share one model, so that only the lab differs. */
class Lab {
  #cell: Promise<OpenCell> | undefined;

  constructor(private readonly path: string) {}

  cell(): Promise<OpenCell> {
    const source = { name: "model", path: this.path, bytes: 0, source: "file", sha256: "" };
    this.#cell ??= openCell({ task, source, quant: "auto", options: runOptions.parse({}) });
    return this.#cell;
  }

  side(name: string, run: (cell: OpenCell) => Promise<void>): Side {
    return {
      name,
      start: async () => void (await this.cell()),
      stop: async () => (await this.cell())[Symbol.dispose](),
      run: async () => {
        const cell = await this.cell();
        const started = performance.now();
        await run(cell);
        return (performance.now() - started) / ITEMS;
      },
    };
  }
}

/** Runs the lab's steps: plans, answers, judges, writes. */
async function throughLab(cell: OpenCell): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "modicum-bench-"));
  const results = await CellResults.open(cell, join(folder, "results.jsonl"));
  const executor = new LocalExecutor(cell.model, cell.dense);
  await results.complete([], cell.items, executor, () => {});
  await results.close();
  rmSync(folder, { recursive: true });
}

/** Measures the lab's own time on short items, against the model alone on tokenized items. */
export const labOverhead: Bench = {
  name: "lab-overhead",
  unit: "ms/item",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides({ path }) {
    const lab = new Lab(path);
    let plans: Plan[] | undefined;
    const alone = async (cell: OpenCell) => {
      plans ??= cell.items.map((item) => cell.dense.plan(item)!);
      for (const plan of plans) await plan();
    };
    return { ours: lab.side("lab run", throughLab), theirs: lab.side("the model alone", alone) };
  },
};
