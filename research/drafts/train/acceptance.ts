/**
 * How often drafts are right, by kind of text and by step, on held-out texts:
 *
 * npx tsx research/drafts/train/acceptance.ts FOLDER RUN [shuffled]
 *
 * FOLDER/RUN has `draft.safetensors`, or a `draft.gguf` made of it; with neither the draft is untrained. `shuffled`:
 * each position has another position's stream. Writes research/drafts/results/acceptance/RUN.json.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { DraftProgram } from "./draft-program.ts";
import { ownRows } from "./rows.ts";
import { fromBf16, type ReadText, readShard, shardNames } from "./shards.ts";
import { HIDDEN, load } from "./stack.ts";

const STEPS = 3;
/** The maximum number of a text's positions that are read and drafted from. */
const LONGEST = 320;
/** The number of drafts per group. */
const MOST = 300;
/** Later steps, each a separate run, are tried at one in this many positions. */
const SAMPLED = 8;
/** The number of last tokens that the quoting control looks up. */
const MATCH = 3;

const [folder = "", name = "run", control] = process.argv.slice(2);
const files = ["draft.safetensors", "draft.gguf"].map((each) => path.join(folder, name, each));
const file = files.find((each) => existsSync(each));
const read = (prefix: string) => shardNames(folder, prefix).flatMap((shard) => readShard(folder, shard));
const own = await ownRows(read("train-"));
using draft = await DraftProgram.create((store) => {
  const normal = normals(seededRandom(0));
  for (const parameter of store.parameters) {
    const values = store.valuesOf(parameter);
    if (parameter.name.endsWith("norm.weight")) values.fill(1);
    else if (parameter.shape.length > 1) for (let i = 0; i < values.length; i++) values[i] = 0.02 * normal();
  }
  store.valuesOf(store.parameter("output.weight")).set(own.head);
  store.valuesOf(store.parameter("output_norm.weight")).set(own.norm);
  if (file !== undefined) load(store, file);
});

interface Group {
  readonly kind: string;
  readonly text: "the model's answers" | "texts";
  /** Places where a draft began. */
  drafts: number;
  /** By step: drafts whose earlier tokens were right and match the text, and how many of them were right. */
  readonly tried: number[];
  readonly right: number[];
  /** Choices of the model that are among the draft's tokens. */
  reached: number;
  /** The same for the quoting control, which does not always draft. */
  readonly quoteTried: number[];
  readonly quoteRight: number[];
}

const groups = new Map<string, Group>();
for (const text of read("held-")) {
  const key = `${text.kind} ${text.answered}`;
  const zero = () => new Array<number>(STEPS).fill(0);
  const of = text.answered ? ("the model's answers" as const) : ("texts" as const);
  const group = groups.get(key) ?? {
    kind: text.kind,
    text: of,
    drafts: 0,
    reached: 0,
    tried: zero(),
    right: zero(),
    quoteTried: zero(),
    quoteRight: zero(),
  };
  groups.set(key, group);
  if (group.drafts < MOST) count(text, group);
}
const lines = [...groups.values()].map(({ drafts, reached, tried, right, quoteTried, quoteRight, ...about }) => ({
  ...{ ...about, drafts, reached: share(reached, drafts), quotes: share(quoteTried[0]!, drafts) },
  acceptance: right.map((count, step) => share(count, tried[step]!)),
  quoteAcceptance: quoteRight.map((count, step) => share(count, quoteTried[step]!)),
}));
const out = path.join(import.meta.dirname, "..", "results", "acceptance");
mkdirSync(out, { recursive: true });
const result = { draft: file !== undefined ? "trained" : "untrained", ...(control && { control }), groups: lines };
writeFileSync(path.join(out, `${name}${control ? `-${control}` : ""}.json`), `${JSON.stringify(result, null, 1)}\n`);
for (const line of lines) console.log(JSON.stringify(line));

/**
 * Drafts after each token of a text or an answer. A draft is right if it is the model's choice after the text's tokens.
 * All first steps run together; later steps run from the last position to the first, since each overwrites the draft's
 * cache after its position.
 */
function count({ ids, best, from, features: bits }: ReadText, group: Group): void {
  const tokens = Math.min(ids.length, LONGEST + from);
  const features = new Float32Array(ids.length * HIDDEN);
  fromBf16(bits, features);
  const order = Array.from({ length: tokens }, (_, i) => i);
  if (control === "shuffled") shuffle(order, seededRandom(tokens));
  const places = new Float32Array((tokens - 1) * 2 * HIDDEN);
  for (let i = 0; i + 1 < tokens; i++)
    places.set(joined(ids[i + 1]!, features.subarray(order[i]! * HIDDEN, (order[i]! + 1) * HIDDEN)), 2 * i * HIDDEN);
  const first = draft.run(places, 0);
  const quotes = quotedPlaces(ids.subarray(0, tokens));
  for (let i = tokens - 2 - STEPS; i + 2 >= Math.max(from, 2); i--) {
    const isRight = (step: number, guess: number) => guess === best[i + 1 + step];
    const goesOn = (step: number) => step + 1 < STEPS && best[i + 1 + step] === ids[i + 2 + step];
    group.drafts++;
    if (own.tokens.includes(best[i + 1]!)) group.reached++;
    const quote = quotes[i + 2];
    for (let step = 0; quote !== undefined; step++) {
      group.quoteTried[step]!++;
      if (!isRight(step, ids[quote + step]!)) break;
      group.quoteRight[step]!++;
      if (!goesOn(step)) break;
    }
    let chosen = first.chosen[i]!;
    let stream = first.streams.subarray(i * HIDDEN, (i + 1) * HIDDEN);
    for (let step = 0; ; step++) {
      const guess = own.tokens[chosen]!;
      group.tried[step]!++;
      if (!isRight(step, guess)) break;
      group.right[step]!++;
      if (i % SAMPLED > 0 || control !== undefined || !goesOn(step)) break;
      const next = draft.run(joined(guess, stream), i + 1 + step);
      [chosen, stream] = [next.chosen[0]!, next.streams];
    }
  }
}

/** For each number of tokens read: the position after the latest earlier occurrence of the last tokens. */
function quotedPlaces(ids: Int32Array): (number | undefined)[] {
  const places = new Map<string, number>();
  return Array.from({ length: ids.length + 1 }, (_, end) => {
    if (end < MATCH) return undefined;
    const key = ids.subarray(end - MATCH, end).join();
    const place = places.get(key);
    places.set(key, end);
    return place;
  });
}

function joined(token: number, stream: Float32Array): Float32Array {
  const both = new Float32Array(2 * HIDDEN);
  both.set(own.vectorOf(token));
  both.set(stream, HIDDEN);
  return both;
}

function share(part: number, whole: number): number {
  return Number((part / Math.max(1, whole)).toFixed(3));
}
