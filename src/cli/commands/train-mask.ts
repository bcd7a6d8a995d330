import type { Command } from "commander";
import { UserError } from "../../util/errors.ts";
import { collect } from "../flags.ts";
import { examples } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

interface Flags {
  freeze?: string[];
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .description("write a mask of tensors that training must not change")
    .argument("<model>", "a model in safetensors")
    .option("--freeze <name>", "a tensor's name, with * for any part; may be repeated", collect)
    .option("--out <file>", "the mask's file, for train --freeze-mask")
    .option("--json", "print one JSON object with the frozen shares")
    .action(mask);
  examples(command, "modicum train mask runs/one --freeze 'unet.*' --out frozen.mask");
}

async function mask(model: string, { freeze = [], out, json }: Flags): Promise<void> {
  if (out === undefined) throw new UserError("--out: expected a file for the mask", 2);
  const { maskTensors } = await import("../../library/train-guard.ts");
  const result = await maskTensors(model, { freeze, out });
  if (json) return printJson(result);
  const { tensors, parameters } = result.frozen;
  print(
    ...columns([
      [
        "frozen",
        `${(100 * tensors).toFixed(1)} % of the tensors, ${(100 * parameters).toFixed(1)} % of the parameters`,
      ],
    ]),
  );
}
