/**
 * Measures the cost of a draft beside the frozen model, in units of the model's decode step: `npx tsx
 * research/drafts/measure.ts MODEL…`. One run of each model and form goes to research/drafts/results/MODEL-FORM.json.
 * The draft has EAGLE's sizes and random weights.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openRandom } from "../../bench/random-model.ts";
import { machine, median } from "../../bench/report.ts";
import { openEngine } from "../../bench/shared-engine.ts";
import { Meter } from "../../src/engine/bill/meter.ts";
import { Engine } from "../../src/engine/decode/run/engine.ts";
import type { Decoder } from "../../src/models/decoder/decoder.ts";
import { densePlan, type Plan } from "../../src/savings/plan.ts";
import { seededRandom } from "../../src/util/random.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import type { DraftTimes } from "./gain.ts";

const FORMS = { "4-bit": ["auto", 4], "8-bit": ["auto", 8], q8r: ["q8r", 8] } as const;
/** The number of tokens before the timed ones. */
const PAST = 256;
const ROUNDS = 20;
/** The number of warm-up rounds. */
const WARM = 3;
/** The numbers of drafts per check. */
const COUNTS = [1, 2, 3, 4];
/** The number of most frequent tokens among which a draft chooses. */
const VOCABULARY = 8192;

const random = seededRandom(1);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(VOCABULARY * random()));
/** Its check's programs are compiled. */
const drafting: Plan = { ...densePlan, drafter: { lengths: COUNTS, draft: () => [], judge() {} } };

for (const name of process.argv.slice(2)) {
  const source = await resolveModel(name);
  for (const form of Object.keys(FORMS) as (keyof typeof FORMS)[]) {
    const [quant, bits] = FORMS[form];
    using engine = await openEngine(source.path, quant, bits);
    await engine.prepare(drafting);
    const file = path.join(import.meta.dirname, "results", `${name}-${form}.json`);
    const times = { model: name, form, past: PAST, rounds: ROUNDS, ...(await measure(engine)) };
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify({ ...times, machine: machine(source) }, null, 1)}\n`);
    console.log(JSON.stringify(times));
  }
}

/** Everything is timed in each round. */
async function measure(engine: Engine): Promise<DraftTimes & { readonly step: number }> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-drafts-"));
  try {
    const draft = await openRandom(folder, architectureOf(engine.programs.decoder), VOCABULARY);
    using beside = await Engine.create(draft.decoder, draft.weights);
    const [model, divided, small] = [await timed(engine), await timed(engine, true), await timed(beside)];
    const runs = new Map<string, () => Promise<number>>([
      ["draft", small.step],
      ["follow", () => small.whole(2)],
      ...COUNTS.flatMap((drafts) => [
        [`check ${drafts}`, () => model.check(drafts)] as const,
        [`pieces ${drafts}`, () => divided.check(drafts)] as const,
        [`whole ${drafts}`, () => model.whole(drafts)] as const,
      ]),
    ]);
    const steps: number[] = [];
    const ratios = new Map([...runs.keys()].map((key) => [key, [] as number[]]));
    for (let round = -WARM; round < ROUNDS; round++)
      for (const [key, run] of runs) {
        // A step before and one after, since the machine's pace changes.
        const [before, ms, after] = [await model.step(), await run(), await model.step()];
        if (round < 0) continue;
        steps.push(before, after);
        ratios.get(key)!.push((2 * ms) / (before + after));
      }
    const of = (key: string) => Number(median(ratios.get(key)!).toFixed(3));
    const each = (key: string) => COUNTS.map((drafts) => of(`${key} ${drafts}`));
    const checks = { check: each("check"), pieces: each("pieces"), whole: each("whole") };
    return { step: Number(median(steps).toFixed(2)), ...checks, draft: of("draft"), follow: of("follow") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Times the next tokens of a slot after some tokens, and restores the slot. `divided`: its layers are in two groups,
 * whose checks run in pieces.
 */
async function timed(engine: Engine, divided = false) {
  const prompt = ids(PAST);
  const slot = engine.acquireEmpty(prompt);
  if (divided) slot.split(5);
  const meter = () => new Meter(engine.programs);
  await engine.prefill(slot, prompt, meter());
  const time = async (run: () => Promise<unknown>) => {
    const started = performance.now();
    await run();
    const ms = performance.now() - started;
    slot.truncate(PAST);
    return ms;
  };
  const checked = (drafts: number) => ({ slot, token: ids(1)[0]!, ahead: ids(drafts), meter: meter(), plan: drafting });
  return {
    step: () => time(() => engine.step(slot, ids(1)[0]!, meter())),
    /** In the form of decode steps, to the bit. */
    check: (drafts: number) => time(() => engine.stepAll([checked(drafts)])),
    /** In a prompt's form, whose results differ in the last bits, with the logits of the last token alone. */
    whole: (drafts: number) => time(() => engine.prefill(slot, [...prompt, ...ids(drafts + 1)], meter())),
  };
}

/**
 * One layer of the model's sizes, and a head of the most frequent tokens. The matrix that joins a token's vector and the
 * model's stream, 2·hidden by hidden, is counted as more neurons of the feed-forward: as many weights.
 */
function architectureOf({ config }: Decoder): object {
  const { hidden, heads, kvHeads, context } = config;
  const ffn = "ffn" in config ? Number(config.ffn) : 0;
  return {
    ...{ model_type: "llama", hidden_size: hidden, num_hidden_layers: 1, num_attention_heads: heads },
    ...{ num_key_value_heads: kvHeads, max_position_embeddings: Math.min(context, 4096), rms_norm_eps: 1e-5 },
    ...{ intermediate_size: ffn + 32 * Math.ceil((2 * hidden) / 3 / 32), tie_word_embeddings: false },
  };
}
