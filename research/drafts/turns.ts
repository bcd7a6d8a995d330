/**
 * Decoding with drafts in turns with dense, batch 1: `npx tsx research/drafts/turns.ts DRAFT QUANT ROUNDS [NAME]`, with the folder of
 * a draft. research/drafts/results/turns/NAME.json says milliseconds a token by kind of question, and each arm's ratio to dense.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { machine, median } from "../../bench/report.ts";
import { Meter } from "../../src/engine/bill/meter.ts";
import { generateAll } from "../../src/engine/decode/answer/batch-generate.ts";
import { generateOptions } from "../../src/engine/decode/answer/generate.ts";
import { LanguageModel } from "../../src/engine/decode/language-model.ts";
import { densePlan, planOf } from "../../src/savings/plan.ts";
import type { PreparedSaving, Saving } from "../../src/savings/saving.ts";
import { findDraft } from "../../src/savings/tokens/draft/artefact.ts";
import { draft } from "../../src/savings/tokens/draft/draft.ts";
import { DraftCache, DraftNetwork } from "../../src/savings/tokens/draft/network.ts";
import { lookup } from "../../src/savings/tokens/lookup/lookup.ts";
import type { Quant } from "../../src/weights/prepared/quant.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { MODEL } from "./train/answered.ts";
import { questions } from "./train/documents.ts";

const QUESTIONS = 4;
const TOKENS = 64;
const KINDS = ["code", "chat"] as const;

const [folder = "", quant = "auto", rounds = "5", name = "turns"] = process.argv.slice(2);
const source = await resolveModel(MODEL);
using model = await LanguageModel.load(source, quant as Quant);
const host = { decoder: model.decoder, hash: async () => source.sha256 ?? "" };
const prepared = async <O>(saving: Saving<O>, options: object): Promise<PreparedSaving> =>
  (await saving.prepare(saving.options.parse(options), host))!;
const network = { file: folder };
const arms: ReadonlyMap<string, PreparedSaving | undefined> = new Map([
  ["dense", undefined],
  ["lookup", await prepared(lookup, {})],
  ["draft", await prepared(draft, network)],
  ["draft, never quoting", await prepared(draft, { ...network, match: 0 })],
  ["draft, never quoting, one token", await prepared(draft, { ...network, match: 0, tokens: 1 })],
]);
const planOn = (saving: PreparedSaving | undefined) =>
  saving ? planOf([saving.plan({ prompt: 1, visual: [] })!]) : densePlan;
for (const saving of arms.values()) await model.engine.prepare(planOn(saving));

const asked = (await questions()).filter(({ split }) => split === "held-out");
const prompts = KINDS.map((kind) =>
  asked
    .filter((each) => each.kind === kind)
    .slice(0, QUESTIONS)
    .map(({ text }) => model.encode([{ role: "user", content: text }])),
);
const times = KINDS.map(() => new Map([...arms.keys()].map((arm) => [arm, [] as number[]])));
const counts = KINDS.map(() => new Map([...arms.keys()].map((arm) => [arm, { tokens: 0, drafts: 0, accepted: 0 }])));
for (let round = -1; round < Number(rounds); round++)
  for (const [kind, own] of prompts.entries()) {
    const texts = new Set<string>();
    for (const [arm, saving] of arms) {
      let [ms, tokens, text] = [0, 0, ""];
      for (const prompt of own) {
        const { usage, ids } = await answer(prompt, saving);
        ms += usage.ms.decode;
        tokens += usage.tokens.completion - 1;
        text += ids.join();
        const count = counts[kind]!.get(arm)!;
        count.tokens += usage.tokens.completion;
        count.drafts += usage.work["drafts"]?.run ?? 0;
        count.accepted += usage.work["accepted"]?.run ?? 0;
      }
      texts.add(text);
      if (round >= 0) times[kind]!.get(arm)!.push(ms / tokens);
    }
    if (texts.size > 1) throw new Error(`${KINDS[kind]}: the arms' texts differ`);
  }

const profile = await profiled();
const results = KINDS.map((kind, k) => {
  const dense = times[k]!.get("dense")!;
  const measured = [...arms.keys()].map((arm) => {
    const own = times[k]!.get(arm)!;
    const gains = own.map((ms, i) => dense[i]! / ms);
    const { tokens, drafts, accepted } = counts[k]!.get(arm)!;
    const round = (value: number) => Number(value.toFixed(3));
    return {
      ...{ arm, ms: round(median(own)), gain: round(median(gains)) },
      spread: [round(Math.min(...gains)), round(Math.max(...gains))],
      ...{ drafts: round(drafts / tokens), accepted: round(accepted / tokens) },
    };
  });
  return { kind, arms: measured };
});
const out = path.join(import.meta.dirname, "results", "turns");
mkdirSync(out, { recursive: true });
const about = {
  model: MODEL,
  quant,
  rounds: Number(rounds),
  questions: QUESTIONS,
  tokens: TOKENS,
  machine: machine(source),
};
writeFileSync(path.join(out, `${name}.json`), `${JSON.stringify({ ...about, profile, results }, null, 1)}\n`);
console.log(JSON.stringify(profile));
for (const { kind, arms } of results) for (const arm of arms) console.log(JSON.stringify({ kind, ...arm }));
for (const saving of arms.values()) saving?.[Symbol.dispose]();

async function answer(prompt: readonly number[], saving: PreparedSaving | undefined) {
  const { engine, tokenizer } = model;
  engine.forget();
  const options = generateOptions.parse({ maxTokens: TOKENS, temperature: 0 });
  const [all] = await generateAll(engine, tokenizer, [{ prompt, options, plan: planOn(saving) }]);
  return { usage: all!.usage, ids: all!.tokens.map(({ id }) => id) };
}

/** A step's milliseconds behind a prompt, and what the network's pass over two places and checks take of it. */
async function profiled() {
  const { engine, decoder } = model;
  using network = await DraftNetwork.open(await findDraft(folder, host), decoder);
  const [prompt] = prompts[0]!;
  const slot = engine.acquireEmpty(prompt);
  const meter = () => new Meter(engine.programs);
  await engine.prefill(slot, prompt!, meter());
  const plan = planOn(arms.get("draft"));
  const stream = new Float32Array(decoder.config.hidden).fill(1);
  const [cache, places] = [new DraftCache(), { streams: [stream, stream], behind: [1, 2], past: 100 }];
  const check = (ahead: number[]) => engine.stepAll([{ slot, token: 1, ahead, meter: meter(), plan }]);
  const runs = { draft: async () => network.run(cache, places), check1: () => check([2]), check2: () => check([2, 3]) };
  const time = async (run: () => Promise<unknown>) => {
    const started = performance.now();
    await run();
    const ms = performance.now() - started;
    slot.truncate(prompt!.length);
    return ms;
  };
  const step = () => time(() => engine.step(slot, 1, meter()));
  const steps: number[] = [];
  const ratios: Record<string, number[]> = { draft: [], check1: [], check2: [] };
  for (let round = 0; round < 15; round++)
    for (const [key, run] of Object.entries(runs)) {
      const [before, ms, after] = [await step(), await time(run), await step()];
      steps.push(before, after);
      ratios[key]!.push((2 * ms) / (before + after));
    }
  engine.release(slot);
  const short = (values: readonly number[]) => Number(median(values).toFixed(3));
  return { step: short(steps), ...Object.fromEntries(Object.entries(ratios).map(([key, all]) => [key, short(all)])) };
}
