import type { Shown } from "../vscode/client.cjs";

/** A request after a key, and its answer, if it came before the next key. */
export interface Asked {
  readonly insert: string;
  /** Milliseconds of the clock. */
  readonly at: number;
  shown?: Shown;
}

type Receipt = Shown["receipt"];

/** A key's cost. FLOPs and tokens are 0 if nothing ran for it. */
export interface Keystroke {
  readonly insert: string;
  /** `cancelled`: the server had begun; `not asked`: the next key came before the pause was over, or the server began. */
  readonly outcome: "shown" | "empty" | "cancelled" | "not asked";
  readonly text?: string;
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly spent: number;
  readonly dense: number;
}

/**
 * Each key with its receipt. Those of cancelled requests are in the ledger alone, in the order of the requests. Requests
 * that the server had not begun have none: these are the ones that the next key followed soonest.
 */
export async function keystrokes(asked: readonly Asked[], ledger: string): Promise<Keystroke[]> {
  const { data } = (await (await fetch(ledger)).json()) as { data: Receipt[] };
  const answered = new Set(asked.flatMap(({ shown }) => shown?.receipt.id ?? []));
  const cancelled = data.filter(({ id }) => !answered.has(id)).reverse();
  const life = (i: number) => (asked[i + 1]?.at ?? Number.POSITIVE_INFINITY) - asked[i]!.at;
  const open = [...asked.keys()].filter((i) => !asked[i]!.shown).sort((a, b) => life(b) - life(a));
  const begun = open.slice(0, cancelled.length).sort((a, b) => a - b);
  return asked.map((one, i) => keystroke(one, one.shown?.receipt ?? cancelled[begun.indexOf(i)]));
}

function keystroke({ insert, shown }: Asked, receipt: Shown["receipt"] | undefined): Keystroke {
  const { prompt, cached, completion } = receipt?.tokens ?? { prompt: 0, cached: 0, completion: 0 };
  const { spent, dense } = receipt?.flops ?? { spent: 0, dense: 0 };
  const outcome = shown ? (shown.text === "" ? "empty" : "shown") : receipt ? "cancelled" : "not asked";
  return { insert, outcome, prompt, cached, completion, spent, dense, ...(shown && { text: shown.text }) };
}

/** Sums over keys, and the share of FLOPs that the savings saved and that cancelled requests took. */
export function totals(rows: readonly Keystroke[]) {
  const sum = (of: (row: Keystroke) => number, among = rows) => among.reduce((total, row) => total + of(row), 0);
  const count = (outcome: Keystroke["outcome"]) => rows.filter((row) => row.outcome === outcome).length;
  const [spent, dense] = [sum((row) => row.spent), sum((row) => row.dense)];
  const gone = rows.filter(({ outcome }) => outcome === "cancelled");
  return {
    keys: rows.length,
    ...{ shown: count("shown"), empty: count("empty"), cancelled: count("cancelled"), not_asked: count("not asked") },
    tokens: {
      prompt: sum((row) => row.prompt),
      cached: sum((row) => row.cached),
      completion: sum((row) => row.completion),
    },
    flops: { spent, dense, saved: dense === 0 ? 0 : 1 - spent / dense, cancelled: sum((row) => row.spent, gone) },
  };
}
