/**
 * Answers every question of a trained closed world with and without retrieval, once each, and stores every gate's
 * inputs: `npx tsx research/expertrag/closed-world/answers.ts SEED OUT`, where OUT holds the model of `train.ts`.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createIndex, load, type Model, type Receipt, type SearchIndex } from "../../../src/index.ts";
import { thresholdForRate } from "../../../src/pipelines/answer/gate/calibrate.ts";
import type { GateInput } from "../../../src/pipelines/answer/gate/features.ts";
import { decide, type Gate, gateScore } from "../../../src/pipelines/answer/gate/gate.ts";
import { rarityOf } from "../../../src/pipelines/answer/gate/rarity.ts";
import { reflectionOf, type Signals, signalsOf } from "../../../src/pipelines/answer/gate/signals.ts";
import { openings } from "./words.ts";
import {
  type Fact,
  isTest,
  makeWorld,
  PASSAGES,
  passageOf,
  plainPrompt,
  questionOf,
  readingPrompt,
  reflectionPrompt,
  type World,
  weightOf,
} from "./world.ts";

export interface Cost {
  readonly flops: number;
  readonly ms: number;
}
export interface Answered extends Cost {
  readonly text: string;
  readonly right: boolean;
}
/** A line of the answers' file. */
export interface Row {
  readonly id: string;
  readonly entity: number;
  readonly question: string;
  readonly known: boolean;
  readonly poisoned: boolean;
  /** With the cost of its probe. */
  readonly plain: Answered;
  /** The plain prompt and its first token, which a gate reads: thrown away if it looks up. */
  readonly probe: Cost;
  /** With the search's cost. */
  readonly retrieved: Answered;
  readonly search: Cost;
  readonly reflection: Cost;
  readonly input: GateInput;
  /** Weight of the entity in the training data, 0 if it is not there: the popularity that only the world's maker knows. */
  readonly popularity: number;
  /** True if the passages state the right value. */
  readonly covered: boolean;
}

const costOf = ({ flops, ms }: Receipt): Cost => ({ flops: flops.spent, ms: ms.total - ms.load });
const plus = (a: Cost, b: Cost): Cost => ({ flops: a.flops + b.flops, ms: a.ms + b.ms });

/** One trained world, ready to answer. */
class Answerer {
  readonly #yes: number;
  readonly #no: number;

  constructor(
    readonly model: Model,
    readonly index: SearchIndex,
  ) {
    const { tokenizer } = model.language;
    [this.#yes, this.#no] = [tokenizer.encode(" yes")[0]!, tokenizer.encode(" no")[0]!];
  }

  async complete(prompt: string, value: string, maxTokens = 4): Promise<Answered & { logits: Float32Array }> {
    let logits: Float32Array | undefined;
    const observe = (all: Float32Array) => {
      logits ??= all.slice();
    };
    const terms = { raw: true, temperature: 0, maxTokens, repetitionDetection: false, observe };
    const { text, receipt } = await this.model.complete(prompt, terms);
    return { text: text.trim(), right: text.trim() === value, ...costOf(receipt), logits: logits! };
  }

  /** The first token of the plain answer: what a gate reads. */
  async probe(question: string): Promise<{ cost: Cost; signals: Signals }> {
    const { logits, flops, ms } = await this.complete(plainPrompt(question), "", 1);
    return { cost: { flops, ms }, signals: signalsOf(logits) };
  }

  /** The plain answer; after its probe, its prompt comes from the cache. */
  async plain(question: string, value: string): Promise<Answered> {
    const { logits: _, ...answer } = await this.complete(plainPrompt(question), value);
    return answer;
  }

  async retrieved(question: string, value: string): Promise<{ answer: Answered; search: Cost; passages: string[] }> {
    const { results, receipt } = await this.index.search(question, { by: "bm25", top: PASSAGES });
    const passages = results.map(({ text }) => text);
    const { logits: _, ...read } = await this.complete(readingPrompt(passages, question), value);
    const search = costOf(receipt);
    return { answer: { ...read, ...plus(read, search) }, search, passages };
  }

  async reflection(question: string): Promise<{ ratio: number; cost: Cost }> {
    const { logits, flops, ms } = await this.complete(reflectionPrompt(question), "");
    // The decoder says whether it knows: "no" asks for retrieval.
    return { ratio: reflectionOf(logits, [this.#no], [this.#yes]), cost: { flops, ms } };
  }
}

async function rowOf(answerer: Answerer, world: World, fact: Fact, way: number): Promise<Row> {
  const question = questionOf(world, fact, way);
  const { cost: probe, signals } = await answerer.probe(question);
  const rest = await answerer.plain(question, fact.value);
  const { answer: retrieved, search, passages } = await answerer.retrieved(question, fact.value);
  const { ratio, cost } = await answerer.reflection(question);
  const { tokenizer } = answerer.model.language;
  const vocabulary = { encode: (text: string) => tokenizer.encode(text), size: tokenizer.vocabSize };
  const known = fact.entity < world.known;
  return {
    ...{ id: fact.id, entity: fact.entity, question, known, poisoned: fact.told !== fact.value },
    ...{ plain: { ...rest, ...plus(probe, rest) }, probe, retrieved, search, reflection: cost },
    input: { question, signals, rarity: rarityOf(question, vocabulary), reflection: ratio },
    popularity: known ? weightOf(fact.entity) : 0,
    covered: passages.includes(passageOf(world, { ...fact, told: fact.value })),
  };
}

/** The effect of removing facts from the index and adding them again. */
export interface Switched {
  readonly facts: number;
  /** Questions whose margin is the same to 1e-4 with and without their facts in the index: a prefix cache moves the last bits. */
  readonly sameSignals: number;
  readonly rightWithout: number;
  readonly rightWith: number;
  /** Plain answers that are right: the index cannot change them. */
  readonly rightPlain: number;
}

/** Facts that only the index has are removed, asked for, added again and asked for again. */
async function switched(answerer: Answerer, world: World, rows: readonly Row[]): Promise<Switched> {
  const chosen = rows.filter(({ known, plain, retrieved }) => !known && !plain.right && retrieved.right).slice(0, 40);
  const facts = chosen.map(({ id }) => world.facts.find((fact) => fact.id === id)!);
  await answerer.index.remove(facts.map(({ id }) => id));
  const ask = async () => {
    const found = { same: 0, right: 0, plain: 0 };
    for (const [i, { question, input }] of chosen.entries()) {
      const { signals } = await answerer.probe(question);
      const plain = await answerer.plain(question, facts[i]!.value);
      found.same += Number(Math.abs(signals.margin - input.signals!.margin) < 1e-4);
      found.plain += Number(plain.right);
      found.right += Number((await answerer.retrieved(question, facts[i]!.value)).answer.right);
    }
    return found;
  };
  const without = await ask();
  await answerer.index.add(facts.map((fact) => ({ id: fact.id, text: passageOf(world, fact) })));
  const back = await ask();
  return {
    ...{ facts: facts.length, sameSignals: Math.min(without.same, back.same) },
    ...{ rightWithout: without.right, rightWith: back.right, rightPlain: Math.max(without.plain, back.plain) },
  };
}

/** Questions that were answered as the pipeline does it: first token, gate, then one branch. */
export interface GatedRun extends Cost {
  readonly questions: number;
  readonly retrieved: number;
  readonly right: number;
  readonly threshold: number;
  /** Logits that the gate reads of a question. */
  readonly vocabulary: number;
}

/** The questions of the test half under the margin gate, by a threshold for half of them that the other half gave. */
async function gatedRun(answerer: Answerer, world: World, rows: readonly Row[]): Promise<GatedRun> {
  const scores = rows
    .filter(({ entity }) => !isTest(entity))
    .map(({ input }) => gateScore({ method: "margin" }, input));
  const gate: Gate = { method: "margin", threshold: thresholdForRate(scores, 0.5) };
  let [spent, retrieved, right]: [Cost, number, number] = [{ flops: 0, ms: 0 }, 0, 0];
  const testRows = rows.filter(({ entity }) => isTest(entity));
  for (const { id, question } of testRows) {
    const { value } = world.facts.find((fact) => fact.id === id)!;
    const { cost: probe, signals } = await answerer.probe(question);
    const looksUp = decide(gate, { question, signals }).retrieve;
    const answer = looksUp ? (await answerer.retrieved(question, value)).answer : await answerer.plain(question, value);
    spent = plus(spent, plus(probe, answer));
    retrieved += Number(looksUp);
    right += Number(answer.right);
  }
  return {
    ...spent,
    questions: testRows.length,
    retrieved,
    right,
    threshold: gate.threshold,
    vocabulary: answerer.model.language.tokenizer.vocabSize,
  };
}

const [seedText = "0", out = ""] = process.argv.slice(2);
const seed = Number(seedText);
const world = makeWorld(seed);
const store = join(out, "index");
if (existsSync(store)) rmSync(store, { recursive: true });
await using index = await createIndex("world", { store, embedding: "none" });
await index.add(world.facts.map((fact) => ({ id: fact.id, text: passageOf(world, fact) })));
const write = (name: string, values: readonly object[]) =>
  writeFileSync(join(out, name), values.map((value) => `${JSON.stringify(value)}\n`).join(""));

const rows: Row[] = [];
{
  using model = await load(join(out, "model"));
  const answerer = new Answerer(model, index);
  for (const [i, fact] of world.facts.entries()) rows.push(await rowOf(answerer, world, fact, i % openings.length));
  write("answers.jsonl", rows);
  write("switched.json", [await switched(answerer, world, rows)]);
}
{
  // Loaded again, so that no prompt is in a cache.
  using model = await load(join(out, "model"));
  write("gated.json", [await gatedRun(new Answerer(model, index), world, rows)]);
}
