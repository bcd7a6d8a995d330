import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { readRecord } from "../weights/adapter/record.ts";

/** The weight types of each format, default first. */
export const writtenTypes = {
  safetensors: ["F32", "F16", "BF16"],
  gguf: ["F16", "Q8_0", "Q4_0", "Q4_1", "F32"],
} as const;

/** The type that `--type` names. @throws UserError if the format does not support it */
export function readType<F extends keyof typeof writtenTypes>(
  format: F,
  type: string | undefined,
): (typeof writtenTypes)[F][number] {
  const known = writtenTypes[format];
  const parsed = z.enum(known).safeParse(type?.toUpperCase() ?? known[0]);
  if (parsed.success) return parsed.data;
  throw new UserError(`--type: expected one of ${known.join(", ")} for ${format}, got "${type}"`, 2);
}

/** Reports that an adapter was trained on plain text, since a merged model does not record this. */
export function notePlainText(adapters: readonly string[]): void {
  const records = adapters.map(readRecord);
  if (records.some((record) => record?.prompt === "raw" && !record.labels))
    process.stderr.write(
      "the adapter was trained on plain text: prompt the model without its chat template, like run --raw\n",
    );
}
