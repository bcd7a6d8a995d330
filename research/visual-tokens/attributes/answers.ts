import { Meter } from "../../../src/engine/bill/meter.ts";
import type { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { type PromptSpan, promptOfSpans } from "../../../src/engine/decode/run/spans.ts";
import type { Question, Scene } from "../../../src/lab/data/attributes/scene.ts";
import { IMAGE } from "../../../src/lab/data/attributes/words.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import type { Plan, VisualSpan } from "../../../src/savings/plan.ts";

/** A question about a picture. */
export interface Case {
  readonly id: string;
  readonly scene: Scene;
  readonly question: Question;
}

/** Asks a model about pictures: a picture's cells enter as embedded rows with their grid. */
export class Attributes {
  #id: (word: string) => number;

  constructor(readonly model: LanguageModel) {
    this.#id = (word) => {
      const ids = model.tokenizer.encode(` ${word}`);
      if (ids.length !== 1) throw new Error(`${word} is ${ids.length} tokens`);
      return ids[0]!;
    };
  }

  /** `planFor` makes the plan of a prompt with an image; dense without it. */
  async answer({ id, scene, question }: Case, planFor: (prompt: number, visual: readonly VisualSpan[]) => Plan) {
    const { engine, decoder } = this.model;
    const { hidden } = decoder.config;
    const cells = scene.cells.map(this.#id);
    const grid = [scene.side, scene.side + 1] as const;
    const image = { embeddings: await this.#rows(cells), contentHash: id, grid };
    const spans: PromptSpan[] = [[this.#id(IMAGE)], image, question.words.map(this.#id)];
    const { prompt, embeddings, visual } = promptOfSpans(spans, hidden);
    const plan = planFor(prompt.length, visual);
    await engine.prepare(plan);
    engine.forget();
    const slot = engine.acquireEmpty(prompt, plan);
    const meter = new Meter(engine.programs);
    try {
      let logits: Float32Array | undefined;
      for await (const some of engine.chunks(slot, prompt, { plan, meter, embeddings })) logits = some ?? logits;
      const text = prompt.length - cells.length;
      const lengths = Array.from({ length: decoder.config.layers }, (_, layer) => slot.group(layer).length);
      const answers: number[] = [];
      const wanted = question.answer.map(this.#id);
      for (let step = 0; step < wanted.length; step++) {
        if (step > 0) logits = await engine.step(slot, answers.at(-1)!, meter, plan);
        answers.push(best(logits!));
      }
      return {
        right: answers.every((token, i) => token === wanted[i]),
        tokens: lengths.map((length) => length - text),
        spent: meter.total(),
      };
    } finally {
      engine.release(slot);
    }
  }

  /** Rows of the model's own embedding, [tokens, hidden]. */
  async #rows(tokens: readonly number[]): Promise<Float32Array> {
    const { programs } = this.model.engine;
    const { hidden } = programs.decoder.config;
    using ids = new Buffer("i64", tokens.length);
    using lengths = new Buffer("i32", 1);
    using rows = new Buffer("f32", tokens.length * hidden);
    new BigInt64Array(ids.memory).set(tokens.map(BigInt));
    const binding = { ids: ids.view([1, tokens.length]), lengths: lengths.view([1]) };
    await programs.embedding.bind({ ...binding, branchOut: rows.view([1, tokens.length, hidden]) }).run();
    return new Float32Array(rows.memory).slice();
  }
}

const best = (logits: Float32Array): number => logits.reduce((top, z, i) => (z > logits[top]! ? i : top), 0);
