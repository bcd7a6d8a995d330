import { median } from "../../bench/report.ts";
import type { Receipt } from "../../src/index.ts";
import { markdownTable } from "../../tools/section.ts";
import type { Resident } from "./resident.ts";
import type { Outcome } from "./send.ts";

/** The findings of a soak. */
export interface Soak {
  readonly minutes: number;
  /** Minutes of warm-up, not counted above. */
  readonly warmUp: number;
  /** The mean number of requests per second. */
  readonly rate: number;
  readonly machine: string;
  readonly started: string;
  /** The number of requests, by kind and status. */
  readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly unexpected: readonly Outcome[];
  readonly receipts: Bills;
  readonly memory: {
    readonly first: Resident;
    readonly last: Resident;
    readonly change: number;
    readonly seen: readonly Resident[];
  };
  /** The server's exit status after SIGTERM. */
  readonly exit: number | null;
  readonly passed: boolean;
}

/** Requests and receipts against each other. */
interface Bills {
  readonly answered: number;
  /** Answers without a receipt in the ledger, or whose tokens differ from the response's. */
  readonly wrong: number;
  /** Requests whose client left; those among them that had begun to stream; and their receipts. */
  readonly left: number;
  readonly begun: number;
  readonly billed: number;
}

export function bills(outcomes: readonly Outcome[], receipts: readonly Receipt[]): Bills {
  const receiptTokens = new Map(receipts.map((receipt) => [receipt.id, receipt.tokens]));
  const answered = outcomes.flatMap((outcome) => outcome.answered ?? []);
  const wrong = answered.filter(({ receipt, prompt, completion, n }) => {
    const tokens = receiptTokens.get(receipt);
    return !tokens || tokens.prompt !== prompt * n || tokens.completion !== completion;
  });
  const leavers = outcomes.filter(({ status }) => status === "left");
  return {
    answered: answered.length,
    wrong: wrong.length,
    left: leavers.length,
    begun: leavers.filter(({ begun }) => begun).length,
    billed: receipts.length - answered.length,
  };
}

/** Medians of the first and the last third, after `warmUp` minutes. */
export function memory(seen: readonly Resident[], warmUp: number): Soak["memory"] {
  const after = seen.filter(({ seconds }) => seconds > warmUp * 60);
  const third = Math.floor(after.length / 3);
  const [first, last] = [after.slice(0, third), after.slice(-third)].map(medians) as [Resident, Resident];
  return { first, last, change: last.mb / first.mb - 1, seen };
}

function medians(seen: readonly Resident[]): Resident {
  const of = (key: keyof Resident) => median(seen.map((one) => one[key]));
  return {
    seconds: of("seconds"),
    mb: of("mb"),
    anonymous: of("anonymous"),
    keyValues: of("keyValues"),
    heap: of("heap"),
  };
}

export const FLAT = 0.05;

export const passes = ({ unexpected, receipts, memory: { change }, exit }: Omit<Soak, "passed">): boolean =>
  unexpected.length === 0 &&
  receipts.wrong === 0 &&
  receipts.billed >= receipts.begun &&
  receipts.billed <= receipts.left &&
  Math.abs(change) <= FLAT &&
  exit === 0;

const memoryOf = ({ mb, anonymous, keyValues, heap }: Resident): string =>
  `${[mb, anonymous, keyValues, heap].map((n) => n.toFixed(0)).join(", ")} MB`;

/** The record as a page. */
export function page({
  minutes,
  warmUp,
  rate,
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
    [
      "resident memory, and its parts not backed by files, in keys and values, and in JavaScript's heap: medians of the first third after the warm-up",
      memoryOf(m.first),
    ],
    ["medians of the last third", `${memoryOf(m.last)}: ${(100 * m.change).toFixed(1)} %, limit ±${100 * FLAT} %`],
    ["requests with an unexpected outcome", String(unexpected.length)],
    ["answers; those with a missing receipt or a wrong token count in it", `${receipts.answered}, ${receipts.wrong}`],
    ["clients that left; those that left a running stream", `${receipts.left}, ${receipts.begun}`],
    ["receipts of requests whose client left", String(receipts.billed)],
    ["exit status after SIGTERM", String(exit)],
  ];
  return `# Soak

\`npm run soak -- --minutes ${minutes} --warm-up ${warmUp} --rate ${rate}\`, ${started.slice(0, 10)}, ${machine}: ${count} requests in ${warmUp} minutes of warm-up and ${minutes} minutes against one \`modicum serve\`. ${passed ? "Passed." : "Not passed."}

${markdownTable(["what", "seen"], found)}

Statuses by kind of request; 429 and 503 mean that the server was full.

${markdownTable(["request", "statuses"], rows)}

Memory every ten seconds, and all of the above: [soak.json](soak.json).
`;
}
