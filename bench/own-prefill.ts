import { Meter } from "../src/engine/bill/meter.ts";
import type { Model } from "../src/index.ts";

/** Runs a prompt with an empty cache and the model's recipe; returns the seconds and the bill. */
export async function timedPrefill(model: Model, tokens: readonly number[]) {
  const { engine, recipes } = model.language;
  using recipe = await recipes.use(model.recipe);
  const plan = recipe.plan(tokens.length);
  const slot = engine.acquire(tokens, plan);
  slot.truncate(0);
  const meter = new Meter(engine.programs);
  const started = performance.now();
  await engine.prefill(slot, tokens, meter, plan);
  engine.release(slot);
  return { seconds: (performance.now() - started) / 1000, bill: meter.total() };
}
