import { mkdirSync } from "node:fs";
import path from "node:path";
import { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { openBase } from "../../../src/library/train.ts";
import { corpusOf } from "../../../src/train/methods/exit-heads/corpus.ts";
import { TEACHER_TOP } from "../../../src/train/methods/exit-heads/options.ts";
import { StateCache } from "../../../src/train/methods/exit-heads/states/cache.ts";
import { collectStates } from "../../../src/train/methods/exit-heads/states/collect.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { leadTexts } from "../leads.ts";
import { EXIT_TEXTS, MODEL } from "./setting.ts";

/** Rows of text, held-out ones first, with the next token at their end. */
export interface ReadTexts {
  readonly rows: readonly Int32Array[];
  /** The number of held-out rows. */
  readonly held: number;
  /** The whole model's choices in each row. */
  readonly choices: readonly Int32Array[];
}

/** Keeps only the likeliest token at each position. */
export const firstOf = (likeliest: Int32Array): Int32Array => likeliest.filter((_, i) => i % TEACHER_TOP === 0);

/**
 * The texts on which a head is trained without LoRA, whose test part is held out here, and about `tokens` of others; read by the
 * whole model with the programs that answer requests.
 */
export async function readTexts(out: string, tokens: number, signal: AbortSignal): Promise<ReadTexts> {
  const { tokenizer } = await openBase(MODEL, {});
  const own = corpusOf(await leadTexts(), tokenizer, EXIT_TEXTS);
  const more = corpusOf(own.unread, tokenizer, { ...EXIT_TEXTS, tokens });
  const part = ([from, to]: readonly [number, number]) => own.blocks.slice(from, to);
  const held = part(own.ranges.test);
  const rows = [...held, ...part(own.ranges.training), ...more.blocks];
  const folder = path.join(out, "choices");
  mkdirSync(folder, { recursive: true });
  // Choices have no stream.
  using cache = new StateCache(own.block, 0, [], folder);
  if (cache.begin(rows.length) < rows.length) {
    using model = await LanguageModel.load(await resolveModel(MODEL));
    await collectStates(model.engine, { ...own, blocks: rows }, cache, {
      signal,
      onProgress({ done, of }) {
        if (done % 100 === 0) console.log(new Date().toISOString(), "read", done, of);
      },
    });
  }
  return { rows, held: held.length, choices: rows.map((_, row) => firstOf(cache.teacher(row))) };
}
