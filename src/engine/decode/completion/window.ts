import type { Split } from "./place.ts";

type Count = (text: string) => number;

/** Token budgets for the text around a place. */
export interface Budget {
  readonly before: number;
  readonly after: number;
}

/** A window begins at a multiple of this many lines, so that the next keystrokes' prompts share a cached prefix. */
const STEP = 16;
/** A line longer than this many characters per budgeted token is cut before it is tokenized; code has about 3. */
const MOST_CHARACTERS = 8;

/** The nearest whole lines before and after a place that fit a budget; if no line fits, part of the nearest one. */
export const windowOf = ({ before, after }: Split, budget: Budget, count: Count): Split => ({
  before: linesBefore(before, budget.before, count),
  after: linesAfter(after, budget.after, count),
});

function linesBefore(text: string, budget: number, count: Count): string {
  const lines = text.split(/(?<=\n)/);
  const first = lines.length - fitting(lines.toReversed(), budget, count);
  if (first === lines.length) return nearestPart(lines.at(-1) ?? "", budget, count);
  const stepped = Math.ceil(first / STEP) * STEP;
  return lines.slice(stepped < lines.length ? stepped : first).join("");
}

function linesAfter(text: string, budget: number, count: Count): string {
  const lines = text.split(/(?<=\n)/);
  const fit = fitting(lines, budget, count);
  if (fit > 0) return lines.slice(0, fit).join("");
  // Reversal puts the nearest part first.
  const reversed = (of: string) => [...of].reverse().join("");
  return reversed(nearestPart(reversed(lines[0] ?? ""), budget, (part) => count(reversed(part))));
}

/** The number of leading lines that fit together. */
function fitting(lines: readonly string[], budget: number, count: Count): number {
  let used = 0;
  for (const [i, line] of lines.entries()) {
    used += line.length > budget * MOST_CHARACTERS ? Number.POSITIVE_INFINITY : count(line);
    if (used > budget) return i;
  }
  return lines.length;
}

/** The last part of a line, at most `budget` tokens long, starting at a character boundary. */
function nearestPart(line: string, budget: number, count: Count): string {
  let part = line.slice(-budget * MOST_CHARACTERS);
  while (part.length > 1 && count(part) > budget) part = part.slice(part.length >> 1);
  return part.replace(/^[\uDC00-\uDFFF]/, "");
}
