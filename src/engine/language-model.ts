import type { Decoder } from "../models/decoder.ts";
import { openDecoder } from "../models/registry.ts";
import { attentionOf, type Recipe } from "../savings/recipe.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../weights/sources/index.ts";
import { type ChatMessage, encodeChat, type Tokenizer } from "../weights/tokenizer/index.ts";
import { Engine } from "./engine.ts";
import { tokenizerOf } from "./tokenizer-of.ts";

/** What to generate from: a text, or the turns of a chat. */
export type Prompt = string | readonly ChatMessage[];

/** A model of one file, loaded: its tokenizer and its engine under one recipe. */
export class LanguageModel implements Disposable {
  private constructor(
    readonly source: ResolvedModel,
    readonly decoder: Decoder,
    readonly tokenizer: Tokenizer,
    readonly engine: Engine,
  ) {}

  /** @throws UserError when the file is no model that runs here. */
  static async load(
    source: ResolvedModel,
    recipe: Recipe,
    quant: Quant = "auto",
    checkpoint = openCheckpoint(source.path),
  ): Promise<LanguageModel> {
    const { decoder, weights } = openDecoder(checkpoint, preparedFolder(source.path), quant);
    const attention = await attentionOf(recipe, { decoder, sha256: source.sha256 });
    // Programs compile on worker threads while the vocabulary is read here.
    const compiling = Engine.create(decoder, weights, attention);
    const [engine, tokenizer] = await Promise.all([
      compiling,
      Promise.resolve().then(() => tokenizerOf(checkpoint, decoder.config.vocabulary)),
    ]);
    return new LanguageModel(source, decoder, tokenizer, engine);
  }

  /** Ids of a prompt. A text is one user turn when the model chats; `raw` takes it as it is. */
  encode(prompt: Prompt, raw: boolean): number[] {
    const { tokenizer } = this;
    if (typeof prompt !== "string") return encodeChat(tokenizer, prompt, { addGenerationPrompt: true });
    if (!raw && tokenizer.chatTemplate !== undefined) return this.encode([{ role: "user", content: prompt }], false);
    const bos = tokenizer.addBos && tokenizer.bos !== undefined ? [tokenizer.bos] : [];
    return [...bos, ...tokenizer.encode(prompt)];
  }

  [Symbol.dispose](): void {
    this.engine[Symbol.dispose]();
  }
}
