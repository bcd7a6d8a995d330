/**
 * Trains LoRA layers below an exit of the frozen SmolLM2, so that the exit chooses as the whole model does; resumes
 * where it stopped:
 *
 * npx tsx research/exits/lora/train.ts OUT TOKENS EPOCHS MINUTES
 *
 * TOKENS of the leads of Wikipedia, beside the texts of the exit head that is trained without LoRA. Writes
 * research/exits/lora/results.json with the results after MINUTES.
 */
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { machine } from "../../../bench/report.ts";
import type { Engine } from "../../../src/engine/decode/run/engine.ts";
import { openBase } from "../../../src/library/train.ts";
import { type Batch, NONE_DROPPED } from "../../../src/train/data/batch.ts";
import type { RunData } from "../../../src/train/data/open.ts";
import { epochOrder } from "../../../src/train/data/order.ts";
import type { Corpus } from "../../../src/train/methods/exit-heads/corpus.ts";
import { StateCache } from "../../../src/train/methods/exit-heads/states/cache.ts";
import { collectStates } from "../../../src/train/methods/exit-heads/states/collect.ts";
import { trainOptions } from "../../../src/train/options.ts";
import { batchStages } from "../../../src/train/session/batch-stage.ts";
import { readMetrics } from "../../../src/train/session/metrics.ts";
import { runSession } from "../../../src/train/session/session.ts";
import { loraSubject } from "../../../src/train/subject/lora-subject.ts";
import type { Base } from "../../../src/train/subject/subject.ts";
import { Metadata } from "../../../src/weights/gguf/metadata.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { commonestChoices } from "./commonest.ts";
import { EXIT, MODEL, RESULTS, type Results } from "./setting.ts";
import { firstOf, readTexts } from "./texts.ts";

const ROWS = 4;
const EVALUATE_EVERY = 20;
const TARGETS = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

const [out = "", tokens = "300000", epochs = "1", minutes = "50"] = process.argv.slice(2);
const signal = AbortSignal.timeout(60_000 * Number(minutes));
const texts = await readTexts(out, Number(tokens), signal);
const { rows, held, choices } = texts;
const block = choices[0]!.length;
const batches = Math.floor((rows.length - held) / ROWS);
const steps = Math.floor(Number(epochs) * batches);
const options = trainOptions.parse({
  ...{ model: MODEL, data: "leads of Wikipedia", quant: "f32", tokens: block, batch: ROWS, steps },
  lora: { rank: 32, alpha: 64, targets: TARGETS },
  ...{ optimizer: { lr: 1e-3 }, schedule: { name: "constant", warmup: 20 } },
  ...{ evaluateEvery: EVALUATE_EVERY, saveEvery: EVALUATE_EVERY },
});
const run = path.join(out, "run");
const untrained = path.join(out, "untrained.json");
await runSession(
  {
    ...{ options, out: run, reuse: "unfinished" },
    async *stages(terms) {
      const base = exitOf(await openBase(MODEL, {}));
      const subject = await loraSubject(options.lora!, base, options);
      const opened = { subject, data: trainingData(options.seed), tokenizer: base.tokenizer };
      for await (const stage of batchStages(opened, terms, undefined)) {
        using engine = await subject.openEngine!();
        if (!terms.resumes) writeFileSync(untrained, JSON.stringify(await agreement(engine)));
        stage.evaluate = async () => ({ accuracy: await agreement(engine) });
        yield stage;
      }
    },
  },
  (model) => openBase(model, {}),
  {
    onStep({ step, loss, accuracy = "", ms }) {
      console.log(new Date().toISOString(), step, steps, loss.toFixed(3), accuracy, Math.round(ms));
    },
  },
  signal,
).catch((error: unknown) => {
  if (!signal.aborted) throw error;
});
const evaluations = readMetrics(run).flatMap(({ tokens, accuracy }) =>
  accuracy === undefined ? [] : [{ tokens, agree: accuracy }],
);
const results: Results = {
  ...{ machine: machine(await resolveModel(MODEL)), texts: batches * ROWS * block, heldOut: held * block },
  ...commonestChoices(texts),
  evaluations: [{ tokens: 0, agree: JSON.parse(readFileSync(untrained, "utf8")) as number }, ...evaluations],
};
writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);

/** The model with its norm and head after the exit's layer. */
function exitOf(base: Base): Base {
  const { checkpoint, tokenizer, name } = base;
  const { config, architecture } = checkpoint;
  if (config.kind !== "gguf") throw new Error(`${checkpoint.path}: expected a GGUF`);
  const metadata = new Metadata(config.path);
  for (const [key, value] of config.metadata) metadata.set(key, value);
  metadata.set(`${architecture}.block_count`, EXIT);
  const prepared = path.join(out, "prepared");
  return { name, tokenizer, prepared, checkpoint: { ...checkpoint, config: { ...config, metadata } } };
}

/** Rows in a new order in each epoch; each position's label is the whole model's choice. */
function trainingData(seed: number): RunData {
  const samples = rows.length - held;
  const order = epochOrder(samples, seed);
  const batch = (index: number): Batch => {
    const at = (index % batches) * ROWS;
    const chosen = [...order(Math.floor(index / batches)).subarray(at, at + ROWS)].map((row) => held + row);
    const ids = chosen.flatMap((row) => [...rows[row]!.subarray(0, block)]);
    const labels = chosen.flatMap((row) => [...choices[row]!]);
    return {
      ...{ rows: ROWS, tokens: block, samples: ROWS, labelled: labels.length },
      ...{ ids: Int32Array.from(ids), labels: Int32Array.from(labels) },
    };
  };
  const training = { rows: ROWS, tokens: block, batches, samples, dropped: NONE_DROPPED, batch };
  const hash = createHash("sha256").update(choices.join(";")).digest("hex");
  return { training, heldOut: undefined, hash };
}

/** The share of held-out positions at which the exit agrees with the whole model. */
async function agreement(engine: Engine): Promise<number> {
  const folder = path.join(out, "held-out");
  using cache = new StateCache(block, engine.programs.decoder.config.hidden, [], folder);
  await collectStates(engine, { blocks: rows.slice(0, held) } as unknown as Corpus, cache, {});
  let same = 0;
  for (let row = 0; row < held; row++) {
    const own = firstOf(cache.teacher(row));
    for (const [i, choice] of choices[row]!.entries()) same += Number(own[i] === choice);
  }
  rmSync(folder, { recursive: true });
  return same / (held * block);
}
