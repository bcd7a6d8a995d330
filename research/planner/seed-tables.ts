import { markdownTable } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { shareOf } from "../common/shares.ts";
import { gainOf } from "./arm-rows.ts";
import { arms, type SeedRow, seedRows } from "./seed-rows.ts";

const three = (value: number): string => value.toFixed(3);

/** What the latent plan of the same seed has over a row, paired by question. */
function aheadOf(rows: readonly SeedRow[], { seed, arm, right }: SeedRow): string[] {
  const latent = rows.find((row) => row.seed === seed && row.arm === "latent plan");
  if (!latent || arm === latent.arm) return [];
  const { mean, ci95 } = gainOf(latent.right, right);
  return [`${signed(mean)} [${ci95.map(signed).join(", ")}]`];
}

/** A table of each number of training samples. */
export function seedTables(): string {
  const rows = seedRows();
  const counts = [...new Set(rows.map(({ samples }) => samples))].toSorted((a, b) => b - a);
  return counts
    .map((samples) => {
      const own = rows.filter((row) => row.samples === samples);
      const lines = arms.flatMap((arm) => {
        const same = own.filter((row) => row.arm === arm);
        if (same.length === 0) return [];
        const shares = same.map(({ right }) => shareOf(right));
        const ahead = same.flatMap((row) => aheadOf(own, row));
        return [[arm, shares.map(three).join(", "), overSeeds(shares, three), ahead.join(", ")]];
      });
      const head = [
        ...["in the plan's place", "accuracy, a seed each", "mean [95 %]"],
        "latent plan over it, a seed each, paired [95 %]",
      ];
      const questions = own[0]!.right.length;
      return `${questions} questions, trained on ${samples} samples once:\n\n${markdownTable(head, lines)}`;
    })
    .join("\n\n");
}
