import type { GivenText } from "../../savings/calibration.ts";
import type { Plan } from "../../savings/plan.ts";
import { Meter } from "../bill/meter.ts";
import type { Engine } from "../decode/run/engine.ts";
import { type Step, tokenLogits } from "../decode/run/stepped.ts";

/** A text to run as if the model had generated it, with all savings of a plan. */
type PlannedText = Omit<GivenText, "part"> & { readonly plan: Plan };

/** The number of texts read together: each step reads the weights once for all of them. */
const ROWS = 8;

/** Reads texts the way answers are generated: each prompt in chunks, then the rest token by token with its plan. */
export async function readTexts(engine: Engine, texts: readonly PlannedText[], signal?: AbortSignal): Promise<void> {
  // Texts of similar length run together, so that they end together.
  const inOrder = texts.toSorted((a, b) => a.answer.length - b.answer.length);
  for (let at = 0; at < inOrder.length; at += ROWS) await readTogether(engine, inOrder.slice(at, at + ROWS), signal);
}

async function readTogether(engine: Engine, texts: readonly PlannedText[], signal?: AbortSignal): Promise<void> {
  const rows: { text: PlannedText; step: Step }[] = [];
  try {
    for (const text of texts) rows.push({ text, step: await begin(engine, text) });
    for (let at = 0; ; at++) {
      signal?.throwIfAborted();
      const reading = rows.filter(({ text }) => at < text.answer.length);
      if (reading.length === 0) return;
      const stepped = await engine.stepAll(reading.map(({ text, step }) => ({ ...step, token: text.answer[at]! })));
      for (const [i, { text }] of reading.entries()) text.onLogits(tokenLogits(stepped[i]!));
    }
  } finally {
    for (const { step } of rows) engine.release(step.slot);
  }
}

async function begin(engine: Engine, { prompt, plan }: PlannedText): Promise<Step> {
  await engine.prepare(plan);
  const slot = engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  try {
    await engine.prefill(slot, prompt, meter, plan);
  } catch (error) {
    engine.release(slot);
    throw error;
  }
  return { slot, meter, plan, forced: true };
}
