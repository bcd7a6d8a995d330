import { z } from "zod";

const paths = z.union([
  z
    .string()
    .min(1)
    .transform((file) => [file]),
  z.array(z.string().min(1)).min(1),
]);

/** What a run trains on, as a user says it. */
export const dataOptions = z.strictObject({
  files: paths.describe("text files, or JSON lines (.jsonl)"),
  validation: z
    .union([z.number().min(0).max(0.9), paths])
    .default(0.1)
    .describe("share of the data that is held out, or files"),
  tokens: z
    .int()
    .min(1)
    .max(1 << 20)
    .default(256)
    .describe("tokens of a row"),
  rows: z
    .int()
    .min(1)
    .max(1 << 16)
    .default(8)
    .describe("rows of a batch"),
  packing: z.boolean().default(false).describe("several samples in a row, none of which sees another"),
  labels: z
    .enum(["answers", "all"])
    .default("answers")
    .describe("what is predicted: completions and assistants' turns, or every token"),
});
export type DataOptions = z.output<typeof dataOptions>;
