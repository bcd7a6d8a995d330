import { markdownTable } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { shareOf } from "../common/shares.ts";
import { gainOf } from "./arm-rows.ts";
import { type ArmName, arms, type SeedRow, seedRows } from "./seed-rows.ts";

const LATENT: ArmName = "latent plan";
const three = (value: number): string => value.toFixed(3);
const mostSamples = (one: SeedRow, other: SeedRow): number => other.samples - one.samples;

/** The advantage of the same seed's latent plan over a row, paired by question. */
function aheadOf(rows: readonly SeedRow[], { seed, arm, right }: SeedRow): string[] {
  const latent = rows.filter((row) => row.seed === seed && row.arm === LATENT).toSorted(mostSamples)[0];
  if (!latent || arm === LATENT) return [];
  const { mean, ci95 } = gainOf(latent.right, right);
  return [`${signed(mean)} [${ci95.map(signed).join(", ")}]`];
}

/** A line for each number of samples that an arm was trained on. */
function linesOf(rows: readonly SeedRow[], arm: ArmName): string[][] {
  const own = rows.filter((row) => row.arm === arm).toSorted(mostSamples);
  return [...new Set(own.map(({ samples }) => samples))].map((samples) => {
    const same = own.filter((row) => row.samples === samples);
    const shares = same.map(({ right }) => shareOf(right));
    const ahead = same.flatMap((row) => aheadOf(rows, row));
    return [arm, String(samples), shares.map(three).join(", "), overSeeds(shares, three), ahead.join(", ")];
  });
}

export function seedTables(): string {
  const rows = seedRows();
  const head = [
    ...["in the plan's place", "samples", "accuracy, a seed each", "mean [95 %]"],
    "latent plan of most samples over it, a seed each, paired [95 %]",
  ];
  const lines = arms.flatMap((arm) => linesOf(rows, arm));
  return `${rows[0]!.right.length} questions, trained once on each sample:\n\n${markdownTable(head, lines)}`;
}
