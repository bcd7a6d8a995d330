/**
 * Measures how far prompts computed in 8 bits, with and without rotation, are from float32 and from dense: `npx tsx
 * research/forms/rotated.ts MODEL [TOKENS]`, of 16,000 tokens or more if none are named. A document consists of enough
 * Wikipedia leads for a prompt of 512 tokens; the whole distribution after every token is compared. Each is appended to
 * int8-prefill/rotated/MODEL.jsonl; a later run continues from there. MODEL.json, which is also the last line printed,
 * has means over all tokens, with intervals by a bootstrap over documents, paired.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { machine } from "../../bench/report.ts";
import { Meter } from "../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { parseRecipe } from "../../src/index-lab.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { ofSums } from "../../src/lab/metrics/sums.ts";
import { LinesFile } from "../../src/lab/run/lines-file.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { leadTexts } from "../exits/leads.ts";

const TOKENS = 16_000;
/** Tokens of a document. */
const LENGTH = 512;
/** Rows whose logits the head computes at once. */
const ROWS = 16;
const FORMS = ["dense", "plain", "rotated"] as const;
type Form = (typeof FORMS)[number];
const RECIPES = { dense: "dense", plain: "int8-prefill:rotation=0", rotated: "int8-prefill:rotation=32" };

/** Sums over a document's tokens but the last, which nothing follows. */
const sums = z.strictObject({
  /** Nats of the token that follows. */
  nats: z.number(),
  fromFloat: z.number(),
  /** Absent for dense itself. */
  fromDense: z.number().optional(),
  /** The number of tokens after which the likeliest next token differs from float32's. */
  others: z.number(),
});
const measured = z.strictObject({
  /** The model file's SHA-256. */
  model: z.string(),
  document: z.number(),
  tokens: z.number(),
  forms: z.strictObject({ dense: sums, plain: sums, rotated: sums }),
});
type Sums = z.infer<typeof sums>;
type Measured = z.infer<typeof measured>;

const [name = "smollm2", wanted = String(TOKENS)] = process.argv.slice(2);
const source = await resolveModel(name);
using model = await LanguageModel.load(source);
if (model.form.quant === "q8r") throw new Error("dense is the default form here: run it with MODICUM_TUNE=off");
const { vocabulary } = model.decoder.config;
const folder = path.join(import.meta.dirname, "int8-prefill", "rotated");
mkdirSync(folder, { recursive: true });
const { file, lines } = await LinesFile.open(path.join(folder, `${name}.jsonl`), measured, (held) => {
  if (held.some(({ model }) => model !== source.sha256)) throw new Error(`there are lines of another ${name}`);
});
await measureMore();
await file.close();
const found = report();
writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(found, null, 1)}\n`);
console.log(JSON.stringify(found));

async function measureMore(): Promise<void> {
  let remaining = Number(wanted) - total(lines);
  if (remaining <= 0) return;
  using float = await LanguageModel.load(source, "f32");
  for (const [document, ids] of documents(await leadTexts())) {
    if (remaining <= 0) return;
    if (document <= (lines.at(-1)?.document ?? -1)) continue;
    const forms = await compare(float, ids);
    const line = { model: source.sha256!, document, tokens: ids.length - 1, forms };
    await file.add(line);
    lines.push(line);
    remaining -= line.tokens;
    console.log(JSON.stringify(line));
  }
}

/** Numbered from 0, each beginning with another lead. */
function* documents(leads: readonly string[]): Generator<[number, readonly number[]]> {
  let text = "";
  let document = 0;
  for (const lead of leads) {
    text += `${lead}\n\n`;
    const ids = model.encode(text, true);
    if (ids.length < LENGTH) continue;
    yield [document++, ids.slice(0, LENGTH)];
    text = "";
  }
}

async function compare(float: LanguageModel, ids: readonly number[]): Promise<Measured["forms"]> {
  const reference = await read(float, "dense", ids);
  const dense = await read(model, RECIPES.dense, ids);
  const plain = await read(model, RECIPES.plain, ids);
  const rotated = await read(model, RECIPES.rotated, ids);
  return {
    dense: summed(ids, dense, reference),
    plain: summed(ids, plain, reference, dense),
    rotated: summed(ids, rotated, reference, dense),
  };
}

/** The distribution after each token of a prompt. */
async function read(of: LanguageModel, recipe: string, ids: readonly number[]): Promise<Distribution[]> {
  const { engine } = of;
  using lease = await of.use(parseRecipe([recipe]));
  const plan = lease.plan(ids.length);
  const slot = engine.acquireEmpty(ids, plan);
  const found: Distribution[] = [];
  try {
    for await (const run of engine.runs(slot, ids, { plan, meter: new Meter(engine.programs) }))
      for (let first = 0; first < run.tokens; first += ROWS) {
        const count = Math.min(ROWS, run.tokens - first);
        const rows = await slot.logitsOfAll(await run.rows(first, count), count);
        found.push(...rows.map((row) => distribution(row.slice())));
      }
  } finally {
    engine.release(slot);
    engine.forget();
  }
  return found;
}

function summed(
  ids: readonly number[],
  own: readonly Distribution[],
  float: readonly Distribution[],
  dense?: readonly Distribution[],
): Sums {
  const sum = { nats: 0, fromFloat: 0, others: 0 };
  let fromDense = 0;
  for (let at = 0; at < ids.length - 1; at++) {
    const [got, expected] = [own[at]!, float[at]!];
    sum.nats += got.whole - got.logits[ids[at + 1]!]!;
    sum.fromFloat += divergence(expected, got);
    if (got.likeliest !== expected.likeliest) sum.others++;
    if (dense) fromDense += divergence(dense[at]!, got);
  }
  return { ...sum, ...(dense && { fromDense }) };
}

interface Distribution {
  readonly logits: Float32Array;
  /** The log-sum-exp of the logits. */
  readonly whole: number;
  readonly likeliest: number;
}

function distribution(logits: Float32Array): Distribution {
  let likeliest = 0;
  for (let i = 1; i < vocabulary; i++) if (logits[i]! > logits[likeliest]!) likeliest = i;
  let sum = 0;
  for (let i = 0; i < vocabulary; i++) sum += Math.exp(logits[i]! - logits[likeliest]!);
  return { logits, whole: logits[likeliest]! + Math.log(sum), likeliest };
}

/** Divergence of the second from the first, in nats (Kullback and Leibler 1951). */
function divergence(expected: Distribution, got: Distribution): number {
  let nats = got.whole - expected.whole;
  for (let i = 0; i < vocabulary; i++)
    nats += Math.exp(expected.logits[i]! - expected.whole) * (expected.logits[i]! - got.logits[i]!);
  return nats;
}

function report() {
  const perToken = ofSums(([sum, tokens]) => sum! / tokens!);
  const partsOf = (form: Form, of: keyof Sums) =>
    lines.map(({ tokens, forms }): [number, number] => [forms[form][of] ?? 0, tokens]);
  const mean = (form: Form, of: keyof Sums) => bootstrap(partsOf(form, of), perToken, { seed: 0 });
  const more = (of: keyof Sums, form: Form, than: Form) =>
    pairedDelta(partsOf(form, of), partsOf(than, of), perToken, { seed: 0 });
  const forms = FORMS.map((form) => ({
    ...{ form, fromFloat: mean(form, "fromFloat"), others: mean(form, "others") },
    ...(form !== "dense" && { fromDense: mean(form, "fromDense"), natsMore: more("nats", form, "dense") }),
  }));
  const rotatedLessPlain = { fromFloat: more("fromFloat", "rotated", "plain"), nats: more("nats", "rotated", "plain") };
  const of = { model: name, documents: lines.length, tokens: total(lines) };
  return { ...of, forms, rotatedLessPlain, machine: machine(source) };
}

function total(lines: readonly Measured[]): number {
  return lines.reduce((sum, { tokens }) => sum + tokens, 0);
}
