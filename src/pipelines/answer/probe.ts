import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Call } from "../call.ts";
import type { CallTerms, ModelPiece } from "../model.ts";
import type { GateInput } from "./gate/features.ts";
import { rarityOf } from "./gate/rarity.ts";
import { reflectionOf, type Signals, signalFlops, signalsOf } from "./gate/signals.ts";
import type { AnswerModel } from "./model.ts";
import type { QuestionPrompts } from "./prompt.ts";
import { reflectionPrompt, reflectionTokens } from "./reflection.ts";

/** A running call, and the pieces read from it so far. */
export interface Begun {
  readonly call: Pick<Call<object>, "next">;
  readonly pieces: readonly ModelPiece[];
}

export interface GateProbe {
  readonly input: GateInput;
  /** FLOPs for computing scores, without the model calls. */
  readonly flops: number;
  /** The plain answer, if the gate reads its first token. */
  readonly begun?: Begun;
}

type Observing = Pick<CallTerms, "observe"> & { readonly maxTokens?: number };

/** Starts a model call that is billed to the answer. */
export type Start = (prompt: Prompt, more?: Observing) => Begun["call"];

/** Computes only the inputs that a gate reads. */
export async function probe(
  { tokenizer }: Pick<AnswerModel, "tokenizer">,
  { query, plain }: QuestionPrompts,
  reads: readonly (keyof GateInput)[],
  start: Start,
): Promise<GateProbe> {
  const vocabulary = { encode: (text: string) => tokenizer.encode(text), size: tokenizer.vocabSize };
  const rarity = reads.includes("rarity") ? rarityOf(query, vocabulary) : undefined;
  const reflected = reads.includes("reflection") ? await reflect(tokenizer, query, start) : undefined;
  // This call comes last, because the answer may continue it.
  const first = reads.includes("signals") ? await firstToken(plain, start) : undefined;
  return {
    input: { question: query, rarity, reflection: reflected?.ratio, signals: first?.signals },
    flops: (reflected?.flops ?? 0) + (first?.flops ?? 0),
    ...(first && { begun: first.begun }),
  };
}

async function firstToken(plain: Prompt, start: Start) {
  let signals: Signals | undefined;
  let flops = 0;
  const observe = (logits: Float32Array) => {
    if (signals) return;
    signals = signalsOf(logits);
    flops = signalFlops(logits.length);
  };
  const call = start(plain, { observe });
  const pieces: ModelPiece[] = [];
  while (!signals) {
    const piece = await call.next();
    if (!piece) break;
    pieces.push(piece);
  }
  return { signals, flops, begun: { call, pieces } };
}

/** Asks the model whether it would look the question up, for a one-token answer. */
async function reflect(tokenizer: AnswerModel["tokenizer"], question: string, start: Start) {
  const { yes, no } = reflectionTokens(tokenizer);
  let ratio = Number.NaN;
  const observe = (logits: Float32Array) => {
    ratio = reflectionOf(logits, yes, no);
  };
  const call = start(reflectionPrompt(tokenizer, question), { observe, maxTokens: 1 });
  while (await call.next());
  return { ratio, flops: yes.length + no.length };
}
