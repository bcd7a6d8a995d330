/** A part of a training, as its session runs it. */
interface Stage {
  readonly steps: number;
  prepare?(): Promise<void>;
  step(i: number, counters: { updates: number; skipped: number }): Promise<unknown>;
}

/** Runs a training's stages to the end and returns their result; nothing is written to disk. */
export async function finish<T>(stages: AsyncGenerator<Stage, T, void>): Promise<T> {
  let next = await stages.next();
  for (; !next.done; next = await stages.next()) {
    await next.value.prepare?.();
    const counters = { updates: 0, skipped: 0 };
    for (let i = 0; i < next.value.steps; i++) await next.value.step(i, counters);
  }
  return next.value;
}
