/**
 * Scores captions of held-out drawings under savings of visual tokens:
 *
 *     npx tsx research/visual-tokens/projector/measure.ts MODEL DATA/held-out.jsonl OUT.jsonl [LIMIT [ARMS]]
 *
 * Each drawing's caption is compared with nine others of the held-out drawings. OUT gets a line for each arm whose name
 * begins with ARMS. Times are CPU times, so that other work on the machine counts little.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Meter } from "../../../src/engine/bill/meter.ts";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { encodeWithPlaces, type SeenPrompt, seenPrompt } from "../../../src/engine/decode/vision/seen-prompt.ts";
import { parseRecipe, resolveModel } from "../../../src/index-lab.ts";
import { machine } from "../../../src/lab/run/machine.ts";
import { densePlan, type Plan } from "../../../src/savings/plan.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { shareOf } from "../../common/shares.ts";
import { type About, type Arm, partsOf, perToken } from "./results.ts";

const CHOICES = 10;
/** The layers that all visual tokens run, the share dropped after them, and the grid that keeps as many. */
const CUT = "after=8,ratio=0.75";
const recipes: Readonly<Record<string, readonly string[]>> = {
  dense: [],
  "dense, another drawing": [],
  [`feather:${CUT},equal=true`]: [`feather:${CUT},equal=true`],
  [`feather:${CUT},mode=fastv`]: [`feather:${CUT},mode=fastv`],
  "feather:after=8,mode=uniform,stride=2": ["feather:after=8,mode=uniform,stride=2"],
  [`feather:${CUT},mode=random`]: [`feather:${CUT},mode=random`],
  "yopo:layers=14": ["yopo:layers=14"],
  "yopo:layers=8": ["yopo:layers=8"],
};

const [folder, file, out, limit = "200", only = ""] = process.argv.slice(2);
if (!folder || !file || !out) throw new Error("expected a model, held-out.jsonl and the result's file");
const model = await LanguageModel.load(await resolveModel(folder));
const { engine, decoder } = model;
const items = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .slice(0, Number(limit))
  .map((line) => JSON.parse(line));
const captions = items.map(({ answer }) => model.tokenizer.encode(answer));
const ids = encodeWithPlaces(model, items[0].prompt, 1, { raw: true, tools: [] });

const processorTime = (since?: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};
const nats = (logits: Float32Array, token: number): number => {
  const top = logits.reduce((a, b) => Math.max(a, b));
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) + top - logits[token]!;
};

/** An arm's results so far. */
type Scored = { -readonly [K in keyof Omit<Arm, "natsPerToken" | "shareOverWords">]: Arm[K] };
type Asked = Pick<SeenPrompt, "prompt" | "embeddings">;

/** Nats of each caption after a prompt, and the prompt's cost. */
async function score({ prompt, embeddings }: Asked, plan: Plan, of: readonly (readonly number[])[]) {
  await engine.prepare(plan);
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  const began = process.cpuUsage();
  let first: Float32Array | undefined;
  for await (const logits of engine.chunks(slot, prompt, { plan, meter, embeddings })) first = logits?.slice() ?? first;
  const { flops } = meter.total();
  const took = { ms: processorTime(began), flops: flops.spent };
  const found: number[] = [];
  for (const caption of of) {
    let sum = nats(first!, caption[0]!);
    if (caption.length > 1) {
      slot.truncate(prompt.length);
      const before = [...prompt, ...caption.slice(0, -1)];
      slot.prepare(before.length);
      for await (const { tokens, rows } of engine.runs(slot, before, { plan: densePlan, meter, embeddings })) {
        const all = await slot.logitsOfAll(await rows(0, tokens), tokens);
        for (const [i, logits] of all.entries()) sum += nats(logits, caption[i + 1]!);
      }
    }
    found.push(sum);
  }
  engine.release(slot);
  return { found, ...took };
}

const see = (i: number) => seenPrompt(model, ids, [join(dirname(file), items[i % items.length].image)]);
const leases = new Map<string, Awaited<ReturnType<typeof model.recipes.use>>>();
for (const [name, recipe] of Object.entries(recipes))
  if (name.startsWith(only)) leases.set(name, await model.recipes.use(parseRecipe(recipe)));

/** Captions after the words alone, without a drawing. */
const words = ids.filter((id) => id !== model.vision!.vision.config.imageToken);
const { found: blind } = await score({ prompt: words, embeddings: new Map() }, densePlan, captions);
const arms = new Map<string, Scored>();
const times = new Map<string, number[]>();
const encoder: { ms: number[]; flops: number } = { ms: [], flops: 0 };
const random = seededRandom(1);
let tokens = 0;
/** Writes what the first drawings gave. */
function write(count: number): void {
  const median = (values: readonly number[]) =>
    Number(values.toSorted((a, b) => a - b)[values.length >> 1]!.toFixed(1));
  const metadata: About = {
    ...{ tokens, captionTokens: captions.slice(0, count).map(({ length }) => length), layers: decoder.config.layers },
    ...{ words: blind.slice(0, count).map((sum) => Number(sum.toFixed(3))), machine: machine() },
    encoder: { ms: median(encoder.ms), flops: encoder.flops },
  };
  const rows = [...arms.values()].map((arm) => ({
    ...{ ...arm, ms: median(times.get(arm.arm)!) },
    natsPerToken: Number(perToken(partsOf(arm, metadata)).toFixed(3)),
    shareOverWords: Number(shareOf(arm.rightOverWords).toFixed(4)),
  }));
  writeFileSync(out!, [metadata, ...rows].map((row) => `${JSON.stringify(row)}\n`).join(""));
  console.error(`${count} of ${items.length}`);
}

for (const i of items.keys()) {
  const others = shuffle(
    [...items.keys()].filter((j) => j !== i),
    random,
  ).slice(0, CHOICES - 1);
  const choices = [i, ...others];
  const began = process.cpuUsage();
  const own = await see(i);
  encoder.ms.push(processorTime(began));
  encoder.flops ||= own.images.spent.flops;
  tokens = own.images.tokens;
  const other = await see(i + items.length - 1);
  for (const [name, lease] of leases) {
    const question = name.includes("another") ? other : own;
    const plan = lease.plan(question.prompt.length, question.visual);
    const { found, ms, flops } = await score(
      question,
      plan,
      choices.map((j) => captions[j]!),
    );
    const best = (points: number[]) => (points.every((x, at) => at === 0 || x > points[0]!) ? "1" : "0");
    const arm = arms.get(name) ?? { arm: name, right: "", rightOverWords: "", nats: [], ms: 0, flops };
    arm.right += best(found.map((sum, at) => sum / captions[choices[at]!]!.length));
    arm.rightOverWords += best(found.map((sum, at) => sum - blind[choices[at]!]!));
    arm.nats = [...arm.nats, Number((found[0]! / captions[i]!.length).toFixed(3))];
    arms.set(name, arm);
    times.set(name, [...(times.get(name) ?? []), ms]);
  }
  if (i % 20 === 19 || i === items.length - 1) write(i + 1);
}
for (const lease of leases.values()) lease[Symbol.dispose]();
model[Symbol.dispose]();
