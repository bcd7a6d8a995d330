import { hasRecurrent } from "../../../models/decoder/decoder.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Engine } from "../run/engine.ts";
import type { Step } from "../run/stepped.ts";
import type { Slot } from "../state/slot.ts";

/** The number of tokens that run in one pass. */
const TOGETHER = 32;

/** A context and several texts that may follow it, each of at least one token. */
interface Continuations {
  readonly context: readonly number[];
  readonly texts: readonly (readonly number[])[];
}

/** Receives the logits before a token of a text; the next call overwrites them. */
type OnLogits = (text: number, token: number, logits: Float32Array) => void;

/**
 * The dense model's logits before each token of each text, as if this text were its answer: tokens run as in decode
 * steps. The context runs once.
 */
export async function logitsAlong(
  engine: Engine,
  { context, texts }: Continuations,
  meter: Meter,
  onLogits: OnLogits,
  signal?: AbortSignal,
): Promise<void> {
  const slot = engine.acquireAlone(context, meter);
  try {
    const first = Float32Array.from(await engine.prefill(slot, context, meter));
    for (const [i, text] of texts.entries()) {
      slot.truncate(context.length);
      slot.prepare(context.length);
      // Some caches cannot be rolled back to the end of the context.
      if (slot.tokens.length < context.length) await engine.prefill(slot, context, meter);
      onLogits(i, 0, first);
      for (let at = 0; at + 1 < text.length; ) {
        signal?.throwIfAborted();
        const some = text.slice(at, Math.min(at + TOGETHER, text.length - 1));
        for (const logits of await stepped(engine, slot, some, meter)) onLogits(i, ++at, logits);
      }
    }
  } finally {
    engine.release(slot);
  }
}

/** Logits after some tokens, or only after the first one if the model runs tokens one at a time. */
async function stepped(
  engine: Engine,
  slot: Slot,
  tokens: readonly number[],
  meter: Meter,
): Promise<readonly Float32Array[]> {
  const { config } = engine.programs.decoder;
  const [token, ...ahead] = tokens as [number, ...number[]];
  if (!slot.fits(slot.tokens.length + 1)) {
    const all = [...slot.tokens, token];
    slot.prepare(all.length);
    return [await engine.prefill(slot, all, meter)];
  }
  if (hasRecurrent(config) || config.longRopeBeyond !== undefined) return [await engine.step(slot, token, meter)];
  const step: Step = { slot, token, ahead, meter, forced: true };
  const [outcome] = await engine.stepAll([step]);
  if (outcome?.kind !== "checked") throw new Error(`tokens that ran ahead were not checked, got ${outcome?.kind}`);
  engine.keep(step, outcome.logits.length, outcome.logits.length);
  return outcome.logits;
}
