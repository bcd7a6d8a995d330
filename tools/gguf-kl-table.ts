import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root } from "./section.ts";

const nats = z.number().min(0);

/** A GGUF's divergences; the first measurements did not record the file and the machine. */
const measuredFile = z.strictObject({
  ...{ file: z.string(), peer: z.string(), f32: nats, auto: nats },
  /** The source model of the file, in float32. */
  dequantised: nats.optional(),
  ...{ sha256: z.string().optional(), machine: z.string().optional() },
});
export type MeasuredFile = z.infer<typeof measuredFile>;

const divergences = z.strictObject({ command: z.string(), unit: z.string(), files: z.array(measuredFile) });
export type Divergences = z.infer<typeof divergences>;

export const DATA = join(root, "tools", "gguf-kl.json");
export const readDivergences = (): Divergences => divergences.parse(JSON.parse(readFileSync(DATA, "utf8")));

/** Adds a file's row, replacing an earlier one. */
export const withFile = ({ files, ...rest }: Divergences, row: MeasuredFile): Divergences => ({
  ...rest,
  files: files.some(({ file }) => file === row.file)
    ? files.map((earlier) => (earlier.file === row.file ? row : earlier))
    : [...files, row],
});

export const PAGE = "docs/export.md";
export const SECTION = "gguf-kl";

/** The table of the page; a file's name ends with its type. */
export const divergencesTable = ({ files }: Divergences): string =>
  markdownTable(
    ["file", "engine in float32", "as `run` uses it"],
    files.map(({ file, f32, auto }) => [
      file.replace(/ (\S+)$/, ", `$1`"),
      ...[f32, auto].map((value) => value.toExponential(1)),
    ]),
  );
