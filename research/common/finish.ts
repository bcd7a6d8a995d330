/** A part of a training, as its session runs it. */
interface Stage {
  readonly steps: number;
  prepare?(): Promise<void>;
  step(i: number, counters: { updates: number; skipped: number }): Promise<unknown>;
}

/** What the stages of a training give, each run to its end; nothing is kept of them on disk. */
export async function finish<T>(stages: AsyncGenerator<Stage, T, void>): Promise<T> {
  let next = await stages.next();
  for (; !next.done; next = await stages.next()) {
    await next.value.prepare?.();
    const counters = { updates: 0, skipped: 0 };
    for (let i = 0; i < next.value.steps; i++) await next.value.step(i, counters);
  }
  return next.value;
}
