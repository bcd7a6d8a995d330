/** Runs stages without a session, for tests. */
import type { Stage } from "./stage.ts";

/** Runs each stage to its end; returns the result of all stages. */
export async function finish<T>(stages: AsyncGenerator<Stage, T, void>): Promise<T> {
  let next = await stages.next();
  for (; !next.done; next = await stages.next()) {
    await next.value.prepare?.();
    const counters = { updates: 0, skipped: 0 };
    for (let i = 0; i < next.value.steps; i++) await next.value.step(i, counters);
  }
  return next.value;
}
