/**
 * A control of neighbours: each visual token sees as many visual tokens, drawn at random. Nothing is skipped: only
 * masks act.
 */

import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { Graph } from "../../../src/graph/index.ts";
import type { TrainInput } from "../../../src/index.ts";
import { decoderArchitecture } from "../../../src/models/registry.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import { Entries } from "../../../src/savings/attention/yopo/tiles.ts";
import type { VisualSpan } from "../../../src/savings/plan.ts";
import { openData } from "../../../src/train/data/open.ts";
import { DecoderStack } from "../../../src/train/graphs/decoder-stack.ts";
import { SavingMasks } from "../../../src/train/graphs/saving-masks.ts";
import { trainOptions } from "../../../src/train/options.ts";
import { TrainingRun } from "../../../src/train/session/run.ts";
import { oldSubject } from "../../../src/train/subject/subject.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { fromFolder, Tokenizer } from "../../../src/weights/tokenizer/index.ts";

const SEED = 4;

/** Each visual token sees itself, and as many of those before it as it has neighbours among them. */
function randomKeys(visual: readonly VisualSpan[], tokens: number, radius: number) {
  const near = new Entries(visual, [...Array(tokens).keys()]).sees({ radius, causal: true });
  const random = seededRandom(SEED);
  const keys = new Map<number, ReadonlySet<number>>();
  for (const { first, grid } of visual)
    for (let query = first; query < first + grid[0] * grid[1]; query++) {
      const before = Array.from({ length: query - first }, (_, i) => first + i);
      const count = before.filter((key) => near(query, key)).length;
      keys.set(query, new Set([query, ...shuffle(before, random).slice(0, count)]));
    }
  return (query: number, key: number): boolean => {
    const seen = keys.get(query);
    return seen && keys.has(key) ? seen.has(key) : key <= query;
  };
}

const masksOf = (layers: number, radius: number): SavingMasks =>
  new SavingMasks(
    Array.from({ length: layers }, () => ({
      share: 1,
      sees: (visual, tokens) => randomKeys(visual, tokens, radius),
    })),
  );

/** Tunes a model under random keys, and writes it. */
export async function tuneRandom(
  input: TrainInput & { readonly model: string; readonly data: string },
  radius: number,
  out: string,
  onStep: (report: { step: number; loss: number }) => void,
): Promise<void> {
  const options = trainOptions.parse(input);
  const checkpoint = openCheckpoint(input.model);
  const plain = await oldSubject(options, checkpoint);
  const decoder = (await decoderArchitecture(checkpoint)).open(plain.trainee.weights);
  const stack = new DecoderStack(decoder, masksOf(decoder.config.layers, radius));
  const subject = { ...plain, trainee: { ...plain.trainee, stack }, whole: { ...plain.whole, stack } };
  const { tokens, batch: rows, validation, labels, seed } = options;
  const reading = { files: [input.data], validation, tokens, rows, packing: false, labels };
  const data = openData(reading, new Tokenizer(fromFolder(input.model)), seed);
  using run = await TrainingRun.open(options, subject, data);
  while (!run.ended) onStep(await run.step());
  mkdirSync(out, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    if (existsSync(join(input.model, file))) copyFileSync(join(input.model, file), join(out, file));
  await subject.write(out);
}

/** Likeliest tokens after each place of a text whose first token is followed by an image, under random keys. */
export class RandomReader implements Disposable {
  readonly #programs = new Map<number, Promise<Program>>();
  readonly #stack: DecoderStack;

  constructor(
    private readonly model: LanguageModel,
    radius: number,
    private readonly visual: readonly VisualSpan[],
  ) {
    this.#stack = new DecoderStack(model.decoder, masksOf(model.decoder.config.layers, radius));
  }

  async likeliest(ids: Int32Array): Promise<number[]> {
    const { length: tokens } = ids;
    const { vocabulary } = this.model.decoder.config;
    const batch = { rows: 1, tokens, ids, labels: ids, labelled: 0, samples: 1, visual: [this.visual] };
    const { "hidden:0": hidden } = this.#stack.inputs(batch);
    using tokenIds = new Buffer("i64", tokens);
    using lengths = new Buffer("i32", 1);
    using mask = new Buffer("f32", tokens ** 2);
    using logits = new Buffer("f32", tokens * vocabulary);
    new BigInt64Array(tokenIds.memory).set(BigInt64Array.from(ids, BigInt));
    new Int32Array(lengths.memory).fill(tokens - 1);
    new Float32Array(mask.memory).set(hidden!.values);
    const views = { ids: tokenIds.view([1, tokens]), lengths: lengths.view([1]) };
    const program = await this.#programOf(tokens);
    await program
      .bind({
        ...views,
        "hidden:0": mask.view([1, tokens, tokens]),
        logits: logits.view([1, tokens, vocabulary]),
      })
      .run();
    const all = new Float32Array(logits.memory);
    return Array.from({ length: tokens }, (_, t) => {
      const row = all.subarray(t * vocabulary, (t + 1) * vocabulary);
      return row.reduce((best, value, i) => (value > row[best]! ? i : best), 0);
    });
  }

  #programOf(tokens: number): Promise<Program> {
    const known = this.#programs.get(tokens) ?? Program.compile(this.#traced(tokens));
    this.#programs.set(tokens, known);
    return known;
  }

  #traced(tokens: number): Graph {
    const { decoder } = this.model;
    const g = new Graph();
    const shape = { rows: 1, tokens, packed: false };
    let x = this.#stack.embed(g, shape);
    for (let l = 0; l < this.#stack.layers; l++) x = this.#stack.layer(g, l, x, shape);
    g.output("logits", decoder.logits(g, decoder.finish(g, { branch: x })));
    return g;
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program.then((compiled) => compiled[Symbol.dispose]());
  }
}
