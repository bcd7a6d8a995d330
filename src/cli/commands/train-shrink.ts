import type { Command } from "commander";
import { UserError } from "../../util/errors.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";

export function define(command: Command): void {
  command
    .description("write a model without the neurons whose weights are all zero")
    .argument("<model>", "a model's folder, such as a run of the method sparse")
    .option("--out <folder>", "the smaller model's folder")
    .option("--json", "print one JSON object")
    .action(shrink);
  examples(command, "modicum train shrink runs/sparse --out smaller");
}

async function shrink(model: string, { out, json }: { out?: string; json?: boolean }): Promise<void> {
  if (out === undefined) throw new UserError("--out: expected a folder for the model", 2);
  const { shrinkModel } = await import("../../train/methods/sparse/shrink.ts");
  const { before, after } = await shrinkModel(model, out);
  if (json) printJson({ out, before, after });
  else print(`${after} of ${before} neurons per layer remain in ${out}`);
}
