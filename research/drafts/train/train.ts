/**
 * Trains the draft on what the model has read, and on its own streams; resumes where it stopped:
 *
 * npx tsx research/drafts/train/train.ts FOLDER RUN EPOCHS MINUTES
 *
 * FOLDER has the shards, FOLDER/RUN gets the state, the log and `draft.safetensors`;
 * research/drafts/results/training/RUN.json says how it went.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { trainOptions } from "../../../src/train/options.ts";
import { clipFactor, Optimizer } from "../../../src/train/step/optimizer.ts";
import { ParameterStore } from "../../../src/train/step/parameters.ts";
import { Passes, weightsOf } from "../../../src/train/step/passes.ts";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { writeTensors } from "../../../src/weights/safetensors/write.ts";
import { norm } from "../../common/norm.ts";
import { DraftProgram } from "./draft-program.ts";
import { linearStart } from "./linear-start.ts";
import { withOwnStreams } from "./own-streams.ts";
import { openRows } from "./rows.ts";
import { draftTrainee, FROZEN, HIDDEN, JOIN } from "./stack.ts";

const SHAPE = { rows: 2, tokens: 512, packed: true };
const RATE = 6e-4;
const WARMUP = 40;
const LEAST = 0.05;
/** The share of positions at which the draft reads its own stream. */
const OWN = 0.35;
const CLIP = 1;
const SAVE_EVERY = 20;
const HELD_BATCHES = 3;
/** Places that the linear map is fitted to. */
const START = 60_000;
/** Matrices that write into the stream. */
const LAST = /attn_output|ffn_down/;

const [folder = "", name = "run", epochs = "2", minutes = "45"] = process.argv.slice(2);
const out = path.join(folder, name);
mkdirSync(out, { recursive: true });
const end = Date.now() + 60_000 * Number(minutes);
const rows = await openRows(folder, SHAPE);
const trainee = await draftTrainee();
const store = new ParameterStore(weightsOf(trainee), trainee.trained);
if (!existsSync(path.join(out, "state"))) await fill();
else fillFrozen();
using reader = await DraftProgram.create(() => {});
const passes = await Passes.create(trainee, store, SHAPE, false);
using optimizer = await Optimizer.create(
  trainOptions.parse({ data: "none", optimizer: { weightDecay: 0.01 } }).optimizer,
  store,
);
const steps = Math.floor(Number(epochs) * rows.batches);
let step = restored();
console.log(JSON.stringify({ batches: rows.batches, steps, from: step, parameters: store.trainedElements }));
let sum = { nats: 0, labels: 0, ms: 0 };
let lastLoss = lossBefore();
for (; step < steps && Date.now() < end; step++) {
  const started = performance.now();
  reader.copy(store);
  const batch = withOwnStreams(rows.batch(step), reader, OWN, step);
  store.zeroGradients();
  sum.nats += await passes.train(batch, 1 / Math.max(1, batch.labelled));
  sum.labels += batch.labelled;
  const length = norm(new Float32Array(store.gradients.memory, 0, store.trainedElements));
  await optimizer.step({ count: step + 1, rate: RATE * rateAt(step), clip: clipFactor(length, CLIP) });
  sum.ms += performance.now() - started;
  if ((step + 1) % SAVE_EVERY === 0) {
    lastLoss = sum.nats / sum.labels;
    note({ step: step + 1, loss: lastLoss, held: await heldOut(), norm: length, ms: Math.round(sum.ms / SAVE_EVERY) });
    sum = { nats: 0, labels: 0, ms: 0 };
    save(step + 1);
  }
}
save(step);
const held = await heldOut();
note({ step, held, ended: true });
const trained = store.parameters.filter((parameter) => parameter.trained || parameter.name === FROZEN[0]);
await writeTensors(
  path.join(out, "draft.safetensors"),
  new Map(trained.map((p) => [p.name, { shape: p.shape, values: () => store.valuesOf(p).slice() }])),
);
const results = path.join(import.meta.dirname, "..", "results", "training");
mkdirSync(results, { recursive: true });
const summary = {
  ...{
    tokens: rows.tokensRead,
    answers: rows.answerTokens,
    steps: step,
    epochs: Number((step / rows.batches).toFixed(1)),
  },
  ...{ parameters: store.trainedElements, loss: lastLoss, heldOut: held },
};
writeFileSync(path.join(results, `${name}.json`), `${JSON.stringify(summary, null, 1)}\n`);

/** The learning rate falls with the steps, or with the time if it runs out first. */
function rateAt(at: number): number {
  if (at < WARMUP) return (at + 1) / WARMUP;
  const time = 1 - (end - Date.now()) / (60_000 * Number(minutes));
  const done = Math.min(1, Math.max(time, (at - WARMUP) / Math.max(1, steps - WARMUP)));
  return LEAST + ((1 - LEAST) * (1 + Math.cos(Math.PI * done))) / 2;
}

/** Nats per label on held-out rows. */
async function heldOut(): Promise<number> {
  const total = { nats: 0, labels: 0 };
  for (let i = 0; i < Math.min(HELD_BATCHES, rows.heldBatches); i++) {
    const batch = rows.heldBatch(i);
    total.nats += (await passes.evaluate(batch)).nats;
    total.labels += batch.labelled;
  }
  return total.nats / total.labels;
}

/** The model's own norm and head rows. */
function fillFrozen(): void {
  store.valuesOf(store.parameter("output.weight")).set(rows.own.head);
  store.valuesOf(store.parameter("output_norm.weight")).set(rows.own.norm);
}

/** The draft begins as the linear map that predicts the model's next stream best: its layer adds nothing yet. */
async function fill(): Promise<void> {
  fillFrozen();
  const normal = normals(seededRandom(0));
  for (const parameter of store.parameters.filter(({ trained }) => trained)) {
    const values = store.valuesOf(parameter);
    if (parameter.name.endsWith("norm.weight")) values.fill(1);
    else if (parameter.name === JOIN) values.set(await start());
    else if (parameter.shape.length > 1 && !LAST.test(parameter.name))
      for (let i = 0; i < values.length; i++) values[i] = 0.02 * normal();
  }
}

function start(): Promise<Float32Array> {
  return linearStart(rows.examples(START), { from: 2 * HIDDEN, to: HIDDEN, most: 1024 });
}

function note(line: object): void {
  const text = JSON.stringify({ at: new Date().toISOString(), ...line });
  appendFileSync(path.join(out, "log.jsonl"), `${text}\n`);
  console.log(text);
}

/** The last loss that the run has noted. */
function lossBefore(): number {
  const file = path.join(out, "log.jsonl");
  if (!existsSync(file)) return Number.NaN;
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const noted = lines.map((line) => (JSON.parse(line) as { readonly loss?: number }).loss);
  return noted.findLast((loss) => loss !== undefined) ?? Number.NaN;
}

function save(next: number): void {
  const file = path.join(out, "state");
  writeFileSync(`${file}.part`, Buffer.concat([new Uint8Array(Float64Array.of(next).buffer), ...stateBytes()]));
  renameSync(`${file}.part`, file);
}

/** The step to resume from. */
function restored(): number {
  const file = path.join(out, "state");
  if (!existsSync(file)) return 0;
  const bytes = readFileSync(file);
  let at = 8;
  for (const part of stateBytes()) {
    part.set(bytes.subarray(at, at + part.length));
    at += part.length;
  }
  return bytes.readDoubleLE(0);
}

/** The trained weights, and the optimiser's states. */
function stateBytes(): Uint8Array[] {
  return [store.values, ...Object.values(optimizer.states)].map(
    ({ memory }) => new Uint8Array(memory, 0, 4 * store.trainedElements),
  );
}
