import { ClassifyCascade } from "../../src/index.ts";
import type { HeadModel } from "../../src/pipelines/classify/head.ts";
import { median } from "../common/median.ts";

/** Milliseconds of a text, and the share of dense's cost by its receipts. */
export interface Timed {
  readonly texts: number;
  readonly threshold: number;
  readonly share: number;
  readonly saved: number;
  /** Medians over rounds. */
  readonly ms: Readonly<Record<"swift" | "super" | "cascade", number>>;
}

/** Swift alone, Super alone and the cascade in turn, on the same texts: `size` texts a call. */
export async function timed(
  { swift, super: strong }: { readonly swift: HeadModel; readonly super: HeadModel },
  texts: readonly string[],
  threshold: number,
  size: number,
  rounds = 5,
): Promise<Timed> {
  const cascade = new ClassifyCascade({ swift, super: strong, threshold });
  const calls = Array.from({ length: Math.ceil(texts.length / size) }, (_, i) => texts.slice(i * size, (i + 1) * size));
  const times = { swift: [] as number[], super: [] as number[], cascade: [] as number[] };
  let [escalated, spent, dense] = [0, 0, 0];
  for (let round = 0; round <= rounds; round++)
    for (const who of ["swift", "super", "cascade"] as const) {
      const started = performance.now();
      for (const call of calls)
        if (who === "cascade") {
          const { results, receipt } = await cascade.classify(call);
          escalated += results.filter(({ route }) => route.to === "super").length;
          spent += receipt.flops.spent;
          dense += receipt.flops.dense;
        } else await { swift, super: strong }[who].logits(call);
      // The first round warms up.
      if (round > 0) times[who].push((performance.now() - started) / texts.length);
    }
  const ms = { swift: median(times.swift), super: median(times.super), cascade: median(times.cascade) };
  return {
    texts: texts.length,
    threshold,
    share: escalated / texts.length / (rounds + 1),
    saved: 1 - spent / dense,
    ms,
  };
}
