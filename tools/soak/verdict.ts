import { median } from "../../bench/report.ts";
import type { Receipt } from "../../src/ledger/receipt.ts";
import { markdownTable } from "../section.ts";
import type { Outcome } from "./send.ts";

/** Resident memory at a time. */
export interface Resident {
  readonly seconds: number;
  readonly mb: number;
}

/** What a soak has shown. */
export interface Soak {
  readonly minutes: number;
  readonly machine: string;
  readonly started: string;
  /** Of requests, by kind and status. */
  readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly unexpected: readonly Outcome[];
  readonly receipts: Bills;
  readonly memory: {
    readonly first: number;
    readonly last: number;
    readonly change: number;
    readonly rss: readonly Resident[];
  };
  /** Of the server after SIGTERM. */
  readonly exit: number | null;
  readonly passed: boolean;
}

/** Requests and receipts against each other. */
interface Bills {
  readonly answered: number;
  /** Answers without a receipt in the ledger, or whose tokens are not those of the response. */
  readonly wrong: number;
  /** Requests whose client left, of them those that had begun to stream, and receipts of such. */
  readonly left: number;
  readonly begun: number;
  readonly billed: number;
}

/** Seconds at the start that are not looked at: models are loaded, caches fill. */
export const warmUp = (minutes: number): number => Math.min(300, minutes * 20);

export function bills(outcomes: readonly Outcome[], receipts: readonly Receipt[]): Bills {
  const kept = new Map(receipts.map((receipt) => [receipt.id, receipt.tokens]));
  const answered = outcomes.flatMap((outcome) => outcome.answered ?? []);
  const wrong = answered.filter(({ receipt, prompt, completion, n }) => {
    const tokens = kept.get(receipt);
    return !tokens || tokens.prompt !== prompt * n || tokens.completion !== completion;
  });
  const left = outcomes.filter(({ status }) => status === "left");
  return {
    answered: answered.length,
    wrong: wrong.length,
    left: left.length,
    begun: left.filter(({ begun }) => begun).length,
    billed: receipts.length - answered.length,
  };
}

/** Medians of the first and the last third after the warm-up. */
export function memory(rss: readonly Resident[], minutes: number): Soak["memory"] {
  const after = rss.filter(({ seconds }) => seconds >= warmUp(minutes)).map(({ mb }) => mb);
  const third = Math.floor(after.length / 3);
  const [first, last] = [median(after.slice(0, third)), median(after.slice(-third))];
  return { first, last, change: last / first - 1, rss };
}

export const FLAT = 0.05;

export const passes = ({ unexpected, receipts, memory: { change }, exit }: Omit<Soak, "passed">): boolean =>
  unexpected.length === 0 &&
  receipts.wrong === 0 &&
  receipts.billed >= receipts.begun &&
  receipts.billed <= receipts.left &&
  Math.abs(change) <= FLAT &&
  exit === 0;

/** The record as a page. */
export function page({
  minutes,
  machine,
  started,
  requests,
  receipts,
  memory: m,
  exit,
  unexpected,
  passed,
}: Soak): string {
  const count = Object.values(requests)
    .flatMap((by) => Object.values(by))
    .reduce((a, b) => a + b, 0);
  const rows = Object.entries(requests).map(([kind, by]) => [
    kind,
    Object.entries(by)
      .map(([status, n]) => `${status}: ${n}`)
      .join(", "),
  ]);
  const found = [
    ["resident memory, median of the first third after the warm-up", `${m.first.toFixed(0)} MB`],
    ["of the last third", `${m.last.toFixed(0)} MB (${(100 * m.change).toFixed(1)} %; at most ±${100 * FLAT} %)`],
    ["requests that ended otherwise than they should", String(unexpected.length)],
    ["answers, and those without their receipt or with other tokens in it", `${receipts.answered}, ${receipts.wrong}`],
    ["clients that left, of them from a running stream", `${receipts.left}, ${receipts.begun}`],
    ["receipts of requests whose client left", String(receipts.billed)],
    ["exit status after SIGTERM", String(exit)],
  ];
  return `# Soak

\`npm run soak -- --minutes ${minutes}\`, ${started.slice(0, 10)}, ${machine}: ${count} requests in ${minutes} minutes against one \`modicum serve\`. ${passed ? "Passed." : "Not passed."}

${markdownTable(["what", "seen"], found)}

Statuses by kind of request; 429 and 503 are a server that is full and says so.

${markdownTable(["request", "statuses"], rows)}

Resident memory every ten seconds, and all of the above: [soak.json](soak.json).
`;
}
