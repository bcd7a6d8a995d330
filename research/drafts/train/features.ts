/**
 * Has the frozen model read its own answers and texts, and keeps its last stream and its choice at each token; resumes
 * where it stopped:
 *
 * npx tsx research/drafts/train/features.ts FOLDER TOKENS [MINUTES]
 *
 * FOLDER has the answers. Shards of about 16,384 tokens are written there, held-out ones first: answers, then texts, up
 * to TOKENS training tokens.
 */
import { Meter } from "../../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { densePlan } from "../../../src/savings/plan.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { answersIn, bestOf, MODEL, type Written } from "./answered.ts";
import { type Source, texts } from "./documents.ts";
import { hasShard, type ReadText, toBf16, writeShard } from "./shards.ts";

/** The number of a text's first tokens that the model reads. */
const LONGEST = 512;
/** Characters that hold them. */
const CHARACTERS = 8 * LONGEST;
const SHORTEST = 32;
const SHARD = 16_384;
/** The number of held-out tokens from texts. */
const HELD_TEXTS = 6_000;
/** The number of rows that the head processes at once. */
const ROWS = 256;
/** The tokenizer's first ids, which are its commonest. */
const COMMON = 1024;

const [folder = "", tokens = "800000", minutes = "60"] = process.argv.slice(2);
const end = Date.now() + 60_000 * Number(minutes);
using model = await LanguageModel.load(await resolveModel(MODEL), "q8r");
const { engine } = model;
const { hidden } = model.decoder.config;

interface ToRead extends Omit<Written, "split"> {
  readonly answered: boolean;
}

const answers = (split: Source["split"]): ToRead[] =>
  answersIn(folder)
    .filter((each) => each.split === split)
    .map(({ split: _, ...each }) => ({ ...each, answered: true }));

/** Their beginnings, one after the other. */
function* beginnings(sources: readonly Source[]): Generator<ToRead> {
  for (const { kind, text, answer } of sources) {
    const { tokenizer } = model;
    const ids =
      answer === undefined
        ? tokenizer.encode(text.slice(0, CHARACTERS))
        : [...model.encode([{ role: "user", content: text }]), ...tokenizer.encode(answer), tokenizer.eos!];
    if (ids.length >= SHORTEST) yield { kind, answered: false, from: 0, ids: ids.slice(0, LONGEST) };
  }
}

const all = await texts();
const of = (split: Source["split"], most: number) => {
  const some: ToRead[] = [];
  let size = 0;
  for (const each of beginnings(all.filter((source) => source.split === split))) {
    if (size >= most) break;
    some.push(each);
    size += each.ids.length;
  }
  return some;
};
const toRead = {
  "held-answers": answers("held-out"),
  "held-texts": of("held-out", HELD_TEXTS),
  "train-answers": answers("train"),
  "train-texts": of("train", Number(tokens)),
};
/**
 * The tokens of all these texts: the model chooses only among them, since its whole head would take most of the time.
 */
const choices = [
  ...new Set([...Array(COMMON).keys(), ...Object.values(toRead).flatMap((some) => some.flatMap(({ ids }) => ids))]),
].sort((a, b) => a - b);
using buffer = new Buffer("f32", ROWS * choices.length);
const head = await engine.programs.exitHead({
  key: "choices",
  trace: (g, decoder, stream) => decoder.logitsOf(g, decoder.finish(g, { branch: stream }), choices),
});
console.log(choices.length, "choices");
for (const [name, some] of Object.entries(toRead)) await shards(name, some);

/** Writes shards, until the time is over. */
async function shards(name: string, toRead: readonly ToRead[]): Promise<void> {
  let [at, size] = [0, 0];
  let group: ToRead[] = [];
  const flush = async () => {
    const shard = `${name}-${String(at++).padStart(3, "0")}`;
    const started = Date.now();
    if (group.length > 0 && !hasShard(folder, shard)) {
      const read: ReadText[] = [];
      for (const each of group) read.push(await readBy(each));
      writeShard(folder, shard, hidden, read);
      const pace = Math.round((1000 * size) / (Date.now() - started));
      console.log(new Date().toISOString(), shard, group.length, "texts", size, "tokens", pace, "a second");
    }
    [group, size] = [[], 0];
  };
  for (const each of toRead) {
    if (Date.now() > end) return;
    group.push(each);
    size += each.ids.length;
    if (size >= SHARD) await flush();
  }
  await flush();
}

async function readBy({ kind, answered, from, ids }: ToRead): Promise<ReadText> {
  const best = new Int32Array(ids.length);
  const features = new Uint16Array(ids.length * hidden);
  const slot = engine.acquireEmpty(ids);
  const meter = new Meter(engine.programs);
  let done = 0;
  for await (const run of engine.runs(slot, ids, { plan: densePlan, meter })) {
    for (let first = 0; first < run.tokens; first += ROWS) {
      const count = Math.min(ROWS, run.tokens - first);
      const stream = await run.rows(first, count);
      await head.bind({ ...stream, logits: buffer.view([1, count, choices.length]) }).run();
      const logits = new Float32Array(buffer.memory);
      const [branch, residual] = [stream.branch, stream.residual].map(
        ({ buffer: { memory } }) => new Float32Array(memory, 4 * first * hidden, count * hidden),
      ) as [Float32Array, Float32Array];
      for (let row = 0; row < count; row++) {
        best[done + row] = choices[bestOf(logits.subarray(row * choices.length, (row + 1) * choices.length))]!;
        const sum = residual.slice(row * hidden, (row + 1) * hidden);
        for (let i = 0; i < hidden; i++) sum[i]! += branch[row * hidden + i]!;
        toBf16(normalised(sum), features.subarray((done + row) * hidden, (done + row + 1) * hidden));
      }
      done += count;
    }
  }
  engine.release(slot);
  engine.forget();
  return { kind, answered, from, ids: Int32Array.from(ids), best, features };
}

function normalised(values: Float32Array): Float32Array {
  let sum = 0;
  for (const x of values) sum += x * x;
  const size = Math.sqrt(sum / values.length + 1e-6);
  for (let i = 0; i < values.length; i++) values[i]! /= size;
  return values;
}
