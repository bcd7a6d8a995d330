import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../tools/section.ts";
import { jsonRows } from "../first/json-rows.ts";

/** The content of the plan's place in SmolLM2's prompt, trained with a seed. */
export const arms = [
  "latent plan",
  "latent plan of another question",
  "noise as long",
  "latent plan of one pass",
  "latent plan of one pass with a projector of its own",
  "question's token rows",
  "constant vectors",
  "executor's own states",
  "text plan with an adapter trained on plans",
  "no plan with an adapter trained alike",
] as const;
export type ArmName = (typeof arms)[number];

/** One arm with one seed, on the same questions. */
export interface SeedRow {
  /** Seed 0 uses the shipped projector and the data of the first results. */
  readonly seed: number;
  readonly arm: ArmName;
  /** Samples of the training, each seen once. */
  readonly samples: number;
  /** One digit per question: 1 for right. */
  readonly right: string;
}

const FILE = join(root, "research/planner/results/frozen-seeds.jsonl");
export const seedRows = (): SeedRow[] => jsonRows<SeedRow>(FILE);
export const writeRow = (row: SeedRow): void => appendFileSync(FILE, `${JSON.stringify(row)}\n`);
