/** Writes the tables of architectures into docs/reference/models.md. `npx tsx tools/architectures.ts` keeps the page's PROSE columns. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openSeams } from "../src/engine/kinds/decoder.ts";
import type { Entry } from "../src/models/architecture.ts";
import { type ArchitectureKind, architectures } from "../src/models/architectures/index.ts";
import { CountedWeights } from "../src/models/decoder/count-parameters.ts";
import { decoderArchitecture } from "../src/models/registry.ts";
import { savings } from "../src/savings/registry.ts";
import { languageModelOf } from "../src/train/graphs/decoder-stack.ts";
import { type Trainee, traceLayerPasses } from "../src/train/graphs/graphs.ts";
import { TracedWeights } from "../src/train/graphs/traced-weights.ts";
import { type Checkpoint, openCheckpoint } from "../src/weights/checkpoint.ts";
import { Part } from "../src/weights/prepared/part.ts";
import { markdownTable, root, writeSection } from "./section.ts";

export const MODELS_PAGE = "docs/reference/models.md";
const fixtures = join(root, "src/models/fixtures");
const PROSE = ["models, for instance", "of its own"];

/** The kinds, by the names of their sections. */
export const kinds = Object.keys(architectures) as ArchitectureKind[];
export const sectionOf = (kind: ArchitectureKind): string => kind.replaceAll(/\W+/g, "-");

/** An architecture's fixtures, and which of them are GGUFs. */
interface Proof {
  readonly checkpoints: Checkpoint[];
  readonly ggufs: Checkpoint[];
}

/** The proofs of each architecture, under all of its names. */
const proofs = readProofs();

function readProofs(): ReadonlyMap<string, Proof> {
  const found = new Map<string, Proof>();
  const isModel = (folder: string) =>
    ["config.json", "model_index.json"].some((file) => existsSync(join(fixtures, folder, file)));
  for (const folder of readdirSync(fixtures).filter(isModel)) {
    const ggufs = readdirSync(join(fixtures, folder)).filter((file) => file.endsWith(".gguf"));
    const files = ggufs.map((file) => openCheckpoint(join(fixtures, folder, file)));
    const whole = openCheckpoint(join(fixtures, folder));
    for (const checkpoint of [whole, ...files]) {
      const proof = found.get(checkpoint.architecture) ?? { checkpoints: [], ggufs: [] };
      found.set(checkpoint.architecture, proof);
      if (checkpoint === whole) proof.checkpoints.push(checkpoint);
      proof.ggufs.push(...files);
    }
  }
  return found;
}

/** The rows of a kind's table on a page, keyed by the names in their first cells. */
function rowsOf(page: string, kind: ArchitectureKind): Map<string, readonly string[]> {
  const [, section = ""] = page.split(new RegExp(`<!-- /?${sectionOf(kind)}[: ].*-->`));
  const rows = section.split("\n").filter((line) => /^\| `/.test(line));
  const cells = rows.map((row) => [...row.matchAll(/[^|]+/g)].map(([cell]) => cell.trim()));
  return new Map(cells.flatMap((row) => [...row[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => [name!, row] as const)));
}

/** The savings that a published model can use unchanged; other savings need heads trained for the model. */
const known = savings.filter(({ needs }) => !needs.includes("head"));

/** Returns whether a decoder can be trained, and the savings that fit one of its fixtures. */
async function ofDecoder(checkpoints: readonly Checkpoint[]): Promise<string[]> {
  const fitting = new Set<string>();
  let trains = true;
  for (const checkpoint of checkpoints) {
    const architecture = await decoderArchitecture(checkpoint);
    const names = architecture.tensors(checkpoint);
    const has = (name: string) => new Part(checkpoint, names, name).exists;
    const decoder = architecture.open(new CountedWeights(checkpoint.config, has));
    const seams = openSeams(decoder);
    for (const { name, needs, unsupported } of known)
      if (needs.every((need) => seams.includes(need)) && unsupported(decoder) === undefined) fitting.add(name);
    const weights = new TracedWeights(checkpoint.config, has);
    const trainee = { ...languageModelOf(architecture.open(weights)), weights, trained: () => true };
    trains &&= hasGradients(trainee, decoder.config.layers);
  }
  const names = known.map(({ name }) => name);
  const listed = (some: readonly string[]) => some.map((name) => `\`${name}\``).join(", ");
  const [own, other] = [names.filter((n) => fitting.has(n)), names.filter((n) => !fitting.has(n))];
  const short = other.length === 0 ? "all" : `all but ${listed(other)}`;
  return [trains ? "yes" : "no", other.length < own.length ? short : listed(own)];
}

/** True if every operator of the layers has a gradient. */
function hasGradients(trainee: Trainee, layers: number): boolean {
  try {
    for (let layer = 0; layer < layers; layer++)
      traceLayerPasses(trainee, layer, { rows: 1, tokens: 8, packed: false }, { before: true, recompute: false });
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes("has no gradient")) return false;
    throw error;
  }
}

/**
 * The table of one kind, with the page's prose; an architecture that is missing from the page becomes the last row,
 * without prose.
 */
export async function architecturesTable(kind: ArchitectureKind, page: string): Promise<string> {
  const prose = rowsOf(page, kind);
  const listed: readonly Entry<unknown>[] = architectures[kind];
  const place = ({ names }: Entry<unknown>) => {
    const at = [...prose.keys()].findIndex((name) => names.includes(name));
    return at < 0 ? prose.size : at;
  };
  const rows = [...listed]
    .sort((a, b) => place(a) - place(b))
    .map(async ({ names, serves = () => true }) => {
      const [, models = "", own = ""] = names.flatMap((name) => prose.get(name) ?? []).slice(0, 3);
      const found = names.flatMap((name) => proofs.get(name) ?? []);
      const [first, ...others] = names.map((name) => `\`${name}\``);
      const name = others.length > 0 ? `${first} (${others.join(", ")})` : first!;
      const gguf = found.some(({ ggufs }) => ggufs.some(serves)) ? "yes" : "no";
      const rest = kind === "decoder" ? await ofDecoder(found.flatMap(({ checkpoints }) => checkpoints)) : [];
      return [name, models, own, gguf, ...rest];
    });
  const head = ["architecture", ...PROSE, "GGUF", ...(kind === "decoder" ? ["trains", "savings"] : [])];
  return markdownTable(head, await Promise.all(rows));
}

if (process.argv[1] === import.meta.filename)
  for (const kind of kinds) {
    const table = await architecturesTable(kind, readFileSync(join(root, MODELS_PAGE), "utf8"));
    writeSection(MODELS_PAGE, sectionOf(kind), table);
  }
