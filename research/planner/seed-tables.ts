import { markdownTable } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";
import { overSeeds } from "../common/over-seeds.ts";
import { shareOf } from "../common/shares.ts";
import { type ArmName, arms, type SeedRow, seedRows } from "./seed-rows.ts";

const three = (value: number): string => value.toFixed(3);

function lineOf(rows: readonly SeedRow[], arm: ArmName): string[] {
  const own = rows.filter((row) => row.arm === arm);
  const shares = own.map(({ right }) => shareOf(right));
  const ahead = own.flatMap(({ seed, right }) => {
    const latent = rows.find((row) => row.seed === seed && row.arm === "latent plan");
    return latent ? [shareOf(latent.right) - shareOf(right)] : [];
  });
  return [
    ...[arm, String(own.length), shares.map(three).join(", "), overSeeds(shares, three)],
    arm === "latent plan" || ahead.length === 0 ? "" : overSeeds(ahead, signed),
  ];
}

/** A table of each number of training samples. */
export function seedTables(): string {
  const rows = seedRows();
  const counts = [...new Set(rows.map(({ samples }) => samples))].toSorted((a, b) => b - a);
  return counts
    .map((samples) => {
      const own = rows.filter((row) => row.samples === samples);
      const lines = arms.filter((arm) => own.some((row) => row.arm === arm)).map((arm) => lineOf(own, arm));
      const head = ["in the plan's place", "seeds", "accuracy, a seed each", "mean [95 %]", "latent plan over it"];
      const questions = own[0]!.right.length;
      return `${questions} questions, trained on ${samples} samples once:\n\n${markdownTable(head, lines)}`;
    })
    .join("\n\n");
}
