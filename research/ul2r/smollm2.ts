// The first steps of UL2R on SmolLM2: LoRA layers on a text, beside a control that continues causal training. Two cores
// do not suffice for more; the curve shows how far training got. npx tsx research/ul2r/smollm2.ts TEXT [STEPS] Results
// are written to research/ul2r/results/smollm2.json.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openBase } from "../../src/library/train.ts";
import { chooseThreads } from "../../src/runtime/threads.ts";
import { openData } from "../../src/train/data/open.ts";
import { completeOptions } from "../../src/train/methods/complete.ts";
import { denoisingIds } from "../../src/train/methods/ul2r/tokens.ts";
import type { TrainOptions } from "../../src/train/options.ts";
import { openRun } from "../../src/train/session/open-run.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { Passes } from "../../src/train/step/passes.ts";
import { root } from "../../tools/section.ts";
import { meanNats } from "./evaluate.ts";
import { suitesOf } from "./suites.ts";

/** Special tokens of SmolLM2 that its chats do not use. */
const SPARE = [
  ...["<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>", "<issue_start>", "<issue_comment>"],
  ...["<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>"],
  "<empty_output>",
];
const SENTINELS = SPARE.length - 3;
const METHOD = `ul2r:sentinels=${SENTINELS},mask=prefix,reuse=${SPARE.join("+")}`;

/** Batches of each suite. */
const BATCHES = 2;
/** Steps between two evaluations. */
const EVERY = 10;

/** Held-out nats per label after so many steps. */
interface Point {
  readonly steps: number;
  readonly nats: Readonly<Record<string, number>>;
}

interface Curve {
  readonly arm: "UL2R" | "causal, continued";
  readonly flops: number;
  readonly tokens: number;
  readonly minutes: number;
  readonly points: readonly Point[];
}
export interface Curves {
  readonly steps: number;
  readonly arms: readonly Curve[];
}

const optionsOf = (data: string, steps: number): TrainOptions =>
  completeOptions({
    ...{ model: "smollm2", lora: { rank: 16, targets: "attn_q,attn_k,attn_v,attn_output" }, method: METHOD },
    ...{ data, tokens: 64, batch: 4, steps, optimizer: { lr: 1e-3 }, evaluateBatches: 1 },
  });

async function curveOf(arm: Curve["arm"], options: TrainOptions, folder: string): Promise<Curve> {
  const started = performance.now();
  const { subject, data, tokenizer } = await openRun(options, folder, (model) => openBase(model, {}));
  const plain = openData({ ...options, files: options.data, rows: options.batch }, tokenizer, options.seed);
  const training = arm === "UL2R" ? data : plain;
  using run = await TrainingRun.open({ ...options, evaluateEvery: options.steps! + 1 }, subject, training);
  const { rows, tokens } = plain.training;
  const shape = { rows, tokens, packed: false, prefixed: true };
  const frozen = { ...subject.trainee, trained: () => false };
  using passes = await Passes.create(frozen, subject.store, shape, false);
  const suites = Object.entries(suitesOf(plain.heldOut!, denoisingIds(tokenizer, SENTINELS)));
  const points: Point[] = [];
  while (true) {
    if (run.done % EVERY === 0) {
      const nats: Record<string, number> = {};
      for (const [name, suite] of suites) nats[name] = await meanNats(passes, suite, BATCHES);
      points.push({ steps: run.done, nats });
      process.stderr.write(`${arm} ${JSON.stringify(points.at(-1))}\n`);
    }
    if (run.done >= options.steps!) break;
    await run.step();
  }
  const { flops, tokens: seen } = run.receipt("smollm2");
  return { arm, flops: flops.spent, tokens: seen, minutes: (performance.now() - started) / 60_000, points };
}

async function main(text: string | undefined, steps = "20"): Promise<void> {
  if (text === undefined) throw new Error("expected a text file");
  chooseThreads(1);
  const arms: Curve[] = [];
  for (const arm of ["UL2R", "causal, continued"] as const) {
    const folder = mkdtempSync(path.join(tmpdir(), "modicum-ul2r-"));
    arms.push(await curveOf(arm, optionsOf(text, Number(steps)), folder));
    rmSync(folder, { recursive: true });
  }
  const results = path.join(root, "research/ul2r/results");
  mkdirSync(results, { recursive: true });
  const curves: Curves = { steps: Number(steps), arms };
  writeFileSync(path.join(results, "smollm2.json"), `${JSON.stringify(curves, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await main(...(process.argv.slice(2) as [string?, string?]));
