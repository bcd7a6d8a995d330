import { decimals, printable } from "../util/printable.ts";
import type { LedgerSum } from "./query.ts";
import type { Receipt } from "./receipt.ts";

/** 231000000000 → "2.31e11". */
function scientific(value: number): string {
  return value === 0 ? "0" : value.toExponential(2).replace("e+", "e");
}

/** 0.169 → "16.9 % saved", −0.032 → "3.2 % more". */
function savedText(saved: number): string {
  const percent = (Math.abs(saved) * 100).toFixed(1);
  return saved < 0 && percent !== "0.0" ? `${percent} % more` : `${percent} % saved`;
}

/** Milliseconds as "640 ms", "12.3 s" or "4 min 5 s". */
function duration(ms: number): string {
  if (ms < 9999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  return seconds < 99.95
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
}

function speed(tokens: number, ms: number): string {
  if (tokens === 0 || ms === 0) return "";
  const rate = (tokens / ms) * 1000;
  return ` (${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tok/s)`;
}

/** A time that is shown only if it is not near zero. */
const optional = (name: string, ms: number): string[] => (ms < 0.5 ? [] : [`${name} ${duration(ms)}`]);

type Spent = Pick<Receipt, "tokens" | "flops" | "ms">;

function parts({ tokens, flops, ms }: Spent, estimated: boolean): string[] {
  const cached = tokens.cached === 0 ? "" : ` (${tokens.cached} cached)`;
  return [
    `${tokens.prompt}+${tokens.completion} tokens${cached}`,
    `${scientific(flops.dense)} → ${scientific(flops.spent)} FLOPs (${savedText(flops.saved)}${estimated ? ", estimated" : ""})`,
    ...optional("queue", ms.queue),
    ...optional("encode", ms.encode),
    `prefill ${duration(ms.prefill)}`,
    `decode ${duration(ms.decode)}${speed(tokens.completion, ms.decode)}`,
  ];
}

/** One line for a terminal: `812+64 tokens · 2.31e11 → 1.92e11 FLOPs (16.9 % saved) · prefill 900 ms · decode 640 ms (100 tok/s)`. */
export function renderReceipt(receipt: Receipt): string {
  return parts(receipt, receipt.estimated).join(" · ");
}

/** One line for the sum of many receipts. */
export function renderSum(sum: LedgerSum): string {
  const count = `${sum.receipts} ${sum.receipts === 1 ? "receipt" : "receipts"}`;
  return [count, ...parts(sum, sum.estimated > 0)].join(" · ");
}

const HEADER = ["CREATED", "MODEL", "RECIPE", "TOKENS", "FLOPS DENSE", "SPENT", "SAVED", "TIME"];
const LEFT = 3;

/** The local time to the minute, "2026-01-31 09:05". */
function localMinute(iso: string): string {
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace("T", " ");
}

function row({ created, model, recipe, adapter, purpose, tokens, flops, ms, estimated }: Receipt): string[] {
  return [
    localMinute(created),
    model,
    purpose ?? `${recipe.join(" ") || "dense"}${adapter ? `, adapter ${adapter}` : ""}`,
    `${tokens.prompt}+${tokens.completion}`,
    scientific(flops.dense),
    `${estimated ? "~" : ""}${scientific(flops.spent)}`,
    `${decimals(flops.saved * 100, 1)} %`,
    duration(ms.total),
  ];
}

/** A header and one row per receipt, in order: text left-aligned, numbers right-aligned, `~` before estimates. */
export function renderTable(receipts: Receipt[]): string {
  const rows = [HEADER, ...receipts.map((receipt) => row(receipt).map(printable))];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column < LEFT ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((cells) => cells.map(pad).join("  ")).join("\n");
}
