import { linesOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";

/**
 * Reads documents by query, best first, from a run in TREC's format: `query Q0 document rank score tag` on each line.
 * @throws UserError that names the file and the line
 */
export async function readRun(file: string): Promise<Map<string, string[]>> {
  const byQuery = new Map<string, { document: string; rank: number }[]>();
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    if (line.trim() === "") continue;
    const [query, , document, place] = line.trim().split(/\s+/);
    const rank = Number(place);
    if (query === undefined || document === undefined || !Number.isInteger(rank))
      throw new UserError(`${file}: line ${number}: expected "query Q0 document rank score tag", got "${line}"`);
    const ranked = byQuery.get(query) ?? [];
    byQuery.set(query, ranked);
    ranked.push({ document, rank });
  }
  return new Map(
    [...byQuery].map(([query, all]) => [query, all.sort((a, b) => a.rank - b.rank).map(({ document }) => document)]),
  );
}
