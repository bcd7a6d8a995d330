import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "./section.ts";

const number = z.number();

/** A bench's last line, from `bench/report.ts`. */
const resultSchema = z.object({
  bench: z.string(),
  model: z.string(),
  unit: z.string(),
  ours: number,
  peer: z.string(),
  theirs: number,
  ratio: number,
  runs: z.int(),
  spread: z.tuple([number, number]),
  machine: z.string(),
  save: z.array(z.string()).optional(),
  floor: number.optional(),
});
export type Measured = z.infer<typeof resultSchema>;

/** The results in a folder: the last line of each `.json` file, by file name; empty if there is no folder. */
export function readResults(folder: string): Measured[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".json")) : [];
  return files.sort().map((file) => parseResult(join(folder, file)));
}

function parseResult(path: string): Measured {
  const line = readFileSync(path, "utf8").trim().split("\n").at(-1)!;
  try {
    return resultSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new Error(`${path}: its last line is not a bench result`, { cause });
  }
}

/** Merges a command's rows, one per machine, into one row; equal cells are written once. */
function joined(rows: readonly (readonly string[])[]): string[] {
  return rows[0]!.map((_, column) => {
    const cells = rows.map((row) => row[column]!);
    return (new Set(cells).size === 1 ? cells.slice(0, 1) : cells).join("<br>");
  });
}

/** The flag that selects a model; empty for the default model, no model, or a description of a trained model. */
const modelFlag = (model: string): string =>
  ["smollm2", "none"].includes(model) || model.includes(" ") ? "" : ` --model ${model}`;

/** A bench's arguments after its name. */
const flags = ({ model, save = [] }: Measured): string =>
  modelFlag(model) + save.map((saving) => ` --save ${saving}`).join("");

/** The table of figures: a row per command, with a line per machine, then the machines. */
export function measuredTable(results: readonly Measured[]): string {
  if (results.length === 0) return "No result has been committed yet.";
  const machines = [...new Set(results.map((r) => r.machine))];
  const head = ["command", "unit", "ours", "peer", "theirs", "ratio (spread)", "rounds", "floor"];
  const body = results.map((r) => [
    `\`npm run bench -- ${r.bench}${flags(r)}\``,
    r.unit,
    String(r.ours),
    r.peer,
    String(r.theirs),
    `${r.ratio} (${r.spread.join("–")})${machines.length > 1 ? ` [${machines.indexOf(r.machine) + 1}]` : ""}`,
    String(r.runs),
    r.floor === undefined ? "" : String(r.floor),
  ]);
  const where = machines.map((machine, i) => `Machine${machines.length > 1 ? ` [${i + 1}]` : ""}: ${machine}.`);
  const commands = [...new Set(body.map(([command]) => command))];
  const rows = commands.map((command) => joined(body.filter(([own]) => own === command)));
  return [markdownTable(head, rows), "", ...where].join("\n");
}

export const RESULTS = join(root, "bench", "results");

if (process.argv[1] === import.meta.filename)
  writeSection("docs/benchmarks.md", "measured", measuredTable(readResults(RESULTS)));
