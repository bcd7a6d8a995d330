import { UserError } from "../../util/errors.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { isJsonLines, readText } from "../data/files.ts";

/**
 * Writes a random share of the samples of files into one file, and returns its path; a pure function of files, share
 * and seed.
 * @throws UserError if a file is a text, which has no samples
 */
export async function replayOf(files: readonly string[], share: number, seed: number, out: string): Promise<string> {
  const text = files.find((file) => !isJsonLines(file));
  if (text !== undefined) throw new UserError(`replay: ${text} is a text; samples are drawn from .jsonl files alone`);
  const lines = files.flatMap((file) => readText(file).split("\n")).filter((line) => line.trim() !== "");
  const drawn = shuffle([...lines], seededRandom(seed)).slice(0, Math.round(share * lines.length));
  await writeWhole(out, drawn.map((line) => `${line}\n`).join(""));
  return out;
}
