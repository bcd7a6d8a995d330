import path from "node:path";
import { z } from "zod";
import { type Ladder, rungsAt } from "../../savings/auto/ladder.ts";
import type { Bound } from "../../util/risk/losses.ts";
import { LinesFile } from "../run/lines-file.ts";
import type { KeptAnswers } from "./answers.ts";
import type { ServedItem } from "./items.ts";
import { ladderLoss } from "./ladders.ts";
import { lossOf } from "./losses.ts";
import { leastRisk } from "./outlook.ts";
import { lossesOf } from "./race.ts";
import type { Serving } from "./served.ts";

const natsLine = z.strictObject({ recipe: z.string(), item: z.string(), nats: z.number() });

/** The sources of answers and scores. */
interface Sources {
  readonly folder: string;
  readonly answers: KeptAnswers;
  readonly serving: Serving;
  readonly signal: AbortSignal | undefined;
}

/**
 * The smallest bound on `nats` that a ladder's test gives; undefined if it gives no bound. Audits use it if the
 * certificate's own loss needs reference answers, which requests lack. Answers equal to dense's lose nothing and are
 * not scored.
 */
export async function natsBound(
  ladder: Ladder,
  test: readonly ServedItem[],
  confidence: Bound["confidence"],
  sources: Sources,
): Promise<number | undefined> {
  const { file, lines } = await LinesFile.open(path.join(sources.folder, "nats.jsonl"), natsLine);
  await using _ = { [Symbol.asyncDispose]: () => file.close() };
  const known = new Map(lines.map(({ recipe, item, nats }) => [`${item} ${recipe}`, nats]));
  const values: number[] = [];
  for (const item of test) {
    const losses = new Map<string, number>();
    for (const recipe of rungsAt(ladder, item.tokens).filter((rung) => rung !== "dense")) {
      const nats = known.get(`${item.id} ${recipe}`) ?? (await natsOf(recipe, item, sources));
      if (!known.has(`${item.id} ${recipe}`)) await file.add({ recipe, item: item.id, nats });
      losses.set(recipe, nats);
    }
    values.push(ladderLoss(ladder, item, (recipe) => losses.get(recipe)!));
  }
  const bound = leastRisk(lossesOf("unit", test, values), confidence);
  return bound < 1 ? bound : undefined;
}

async function natsOf(recipe: string, item: ServedItem, { answers, serving, signal }: Sources): Promise<number> {
  const [saved, dense] = [answers.held(recipe, item)!, answers.held("dense", item)!];
  if (saved.failed !== undefined) return 1;
  if (saved.ids === dense.ids) return 0;
  signal?.throwIfAborted();
  const both = [await serving.answer("dense", item), await serving.answer(recipe, item)];
  const [of, other] = await serving.excess(item, both);
  const loss = lossOf("nats", "unit", { text: "", excess: other }, { text: "", excess: of });
  return Number.isNaN(loss) ? 1 : loss;
}
