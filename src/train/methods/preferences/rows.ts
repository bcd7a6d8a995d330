import { z } from "zod";
import { checked } from "../../../util/checked.ts";
import { inFile, UserError } from "../../../util/errors.ts";
import { type DataRecord, message, type PlacedRecord } from "../../data/records.ts";
import type { DataSource } from "../../data/source.ts";

const chat = z.array(message).min(1);
const tools = z.array(z.json()).optional();

const textPair = z.object({ prompt: z.string(), chosen: z.string(), rejected: z.string() });
/** Without `prompt`, both chats begin with the prompt. */
const chatPair = z.object({ prompt: chat.optional(), chosen: chat, rejected: chat, tools });
/** CSV files contain booleans as texts. */
const label = z.union([z.boolean(), z.stringbool({ truthy: ["true"], falsy: ["false"] })], "expected true or false");
const textJudged = z.object({ prompt: z.string(), completion: z.string(), label });
const chatJudged = z.object({ prompt: chat, completion: chat, label, tools });

type Turns = z.output<typeof chat>;
type Side = string | Turns;

/** A prompt to complete, and its location for messages. */
export interface PromptRow {
  readonly where: string;
  readonly prompt: Side;
  readonly tools?: z.output<typeof tools>;
}
interface PairRow extends PromptRow {
  readonly chosen: Side;
  readonly rejected: Side;
}
interface JudgedRow extends PromptRow {
  readonly completion: Side;
  readonly label: boolean;
}

/** Reads rows of `prompt`, `chosen` and `rejected`, texts or message lists. @throws UserError with file and line */
export const readPairs = (sources: readonly DataSource[]): PairRow[] =>
  rowsOf(sources, (value): Omit<PairRow, "where"> => {
    const row = Array.isArray(value["chosen"]) ? apart(checked(chatPair, value)) : checked(textPair, value);
    for (const name of ["chosen", "rejected"] as const) checkSide(name, row[name]);
    if (JSON.stringify(row.chosen) === JSON.stringify(row.rejected))
      throw new UserError('"chosen" and "rejected" are equal; expected two different completions');
    return row;
  });

/** Reads rows of `prompt`, `completion` and `label`. @throws UserError with file and line */
export const readJudged = (sources: readonly DataSource[]): JudgedRow[] =>
  rowsOf(sources, (value): Omit<JudgedRow, "where"> => {
    const row = checked<typeof textJudged | typeof chatJudged>(
      Array.isArray(value["completion"]) ? chatJudged : textJudged,
      value,
    );
    checkSide("completion", row.completion);
    return row;
  });

const fields = z.record(z.string(), z.unknown(), "expected an object");

/** Reads the rows of tables in the method's own format. @throws UserError with file and line */
export const rowsOf = <R>(
  sources: readonly DataSource[],
  read: (value: Record<string, unknown>) => R,
): (R & { where: string })[] =>
  sources.flatMap(({ file, rows }) => {
    if (!rows) throw new UserError(`${file}: this method trains on JSON lines (.jsonl) or tables, got text`);
    if (rows.length === 0) throw new UserError(`${file}: the file has no rows`);
    return rows.map(({ where, value }) => ({ ...inFile(where, () => read(checked(fields, value))), where }));
  });

/** If two chats have no prompt, their shared first turns become the prompt. @throws UserError if they share none */
function apart({ prompt, chosen, rejected, ...row }: z.output<typeof chatPair>): Omit<PairRow, "where"> {
  if (prompt) return { ...row, prompt, chosen, rejected };
  const differs = chosen.findIndex((turn, i) => JSON.stringify(turn) !== JSON.stringify(rejected[i]));
  const shared = differs < 0 ? chosen.length : differs;
  if (shared === 0) throw new UserError('expected "prompt", or "chosen" and "rejected" that begin with the same turns');
  if (shared === chosen.length && shared === rejected.length) return { ...row, prompt: chosen, chosen, rejected };
  return { ...row, prompt: chosen.slice(0, shared), chosen: chosen.slice(shared), rejected: rejected.slice(shared) };
}

/** @throws UserError if a completion is empty */
function checkSide(name: string, side: Side): void {
  const blank = (content: unknown) => content === null || (typeof content === "string" && content.trim() === "");
  const empty =
    typeof side === "string" ? blank(side) : side.every((turn) => blank(turn.content) && !turn["tool_calls"]);
  if (empty) throw new UserError(`"${name}" is empty; expected a completion`);
}

/** Combines a prompt and a completion into a record in which only the completion has labels. */
export const recordOf = ({ where, prompt, tools }: PromptRow, completion: Side): PlacedRecord => ({
  where,
  record: inFile(where, (): DataRecord => {
    if (typeof prompt === "string" && typeof completion === "string") return { kind: "completion", prompt, completion };
    if (typeof prompt === "string" || typeof completion === "string")
      throw new UserError("expected the prompt and completions to be all texts, or all lists of messages");
    return { kind: "chat", messages: [...prompt, ...completion], tools, unmask: false, from: prompt.length };
  }),
});
