import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../src/index.ts";
import { seededRandom, shuffle } from "../src/util/random.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";

const [FILES, TOKENS] = [24, 24];
/** The range of lines to complete at: after some context, but near enough to the start for all of it to be read. */
const [FROM, TO] = [20, 60];

export interface Place {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Positions within lines of zod's sources, which the lock file pins, so that they do not move. */
export function places(): Place[] {
  const root = join(import.meta.dirname, "..", "node_modules", "zod", "src", "v4");
  const random = seededRandom(1);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /(?<!\.\w+)\.ts$/.test(file));
  return shuffle(files.sort(), random)
    .flatMap((file) => placeIn(readFileSync(join(root, file), "utf8"), random) ?? [])
    .slice(0, FILES);
}

function placeIn(text: string, random: () => number): Place | undefined {
  const lines = text.split("\n");
  const fit = [...lines.keys()].filter((i) => i >= FROM && i < TO && lines[i]!.trim().length >= 20);
  const line = fit[Math.floor(random() * fit.length)];
  if (line === undefined) return undefined;
  const indent = lines[line]!.search(/\S/);
  // A third of the line is typed, and the rest is missing.
  const column = indent + Math.ceil((lines[line]!.length - indent) / 3) + 1;
  const typed = lines.with(line, lines[line]!.slice(0, column - 1)).join("\n");
  return { text: typed, line: line + 1, column };
}

/** Completes after a key, once the completion after the previous key has run; returns its time and receipt. */
export async function completionAt(model: Model, { text, line, column }: Place, save: readonly string[]) {
  await model.completeAt(withoutKey(text, line), { line, column: column - 1, maxTokens: 1, save });
  const started = performance.now();
  const { receipt } = await model.completeAt(text, { line, column, maxTokens: TOKENS, save });
  return { ms: performance.now() - started, receipt };
}

/** The mean milliseconds per completion over all positions. */
async function completionTime(model: Model, save: readonly string[], all: readonly Place[]): Promise<number> {
  let milliseconds = 0;
  for (const place of all) milliseconds += (await completionAt(model, place, save)).ms;
  return milliseconds / all.length;
}

/** The text before the last key in a line. */
function withoutKey(text: string, line: number): string {
  const lines = text.split("\n");
  return lines.with(line - 1, lines[line - 1]!.slice(0, -1)).join("\n");
}

/** Compares completions after the next key, with a recipe and dense, in one loaded model. */
export const complete: Bench = {
  name: "complete",
  unit: "ms/completion",
  moreIsBetter: false,
  lifetime: "kept",
  saves: true,
  sides: ({ model: name, save }) => {
    const model = new OwnModel(name);
    const all = places();
    return {
      ours: ownSide(save.join(" "), model, (loaded) => completionTime(loaded, save, all)),
      theirs: ownSide("modicum dense", model, (loaded) => completionTime(loaded, [], all)),
    };
  },
};
