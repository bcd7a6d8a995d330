import type { Command } from "commander";
import { print } from "../output.ts";

export function define(command: Command): void {
  command
    .description("write weights between a model and its fine-tuned form, or an adapter of less strength")
    .argument("<base>", "the model before fine-tuning")
    .argument("<tuned>", "the model after it, or its LoRA adapter's folder")
    .option("--weight <share>", "share of the way from base to tuned, 0 to 1", Number, 0.5)
    .requiredOption("--out <folder>", "a new folder for the model or the adapter")
    .action(run);
}

async function run(base: string, tuned: string, { weight, out }: { weight: number; out: string }): Promise<void> {
  const { interpolate } = await import("../../library/train.ts");
  await interpolate(base, tuned, { weight, out });
  print(out);
}
