import type { Command } from "commander";
import { examples } from "../help.ts";
import { print } from "../output.ts";

export function define(command: Command): void {
  command
    .description("write weights between a model and its fine-tuned form, or a weaker adapter")
    .argument("<base>", "the model before fine-tuning")
    .argument("<tuned>", "the model after fine-tuning, or its LoRA adapter's folder")
    .option("--weight <share>", "0 is base, 1 is tuned", Number, 0.5)
    .requiredOption("--out <folder>", "a new folder for the model or the adapter")
    .action(run);
  examples(command, "modicum train interpolate smollm2 runs/one --weight 0.5 --out between");
}

async function run(base: string, tuned: string, { weight, out }: { weight: number; out: string }): Promise<void> {
  const { interpolate } = await import("../../library/train.ts");
  await interpolate(base, tuned, { weight, out });
  print(out);
}
