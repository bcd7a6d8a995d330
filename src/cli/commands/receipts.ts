import type { Command } from "commander";
import { z } from "zod";
import { renderSum, renderTable } from "../../ledger/render.ts";
import { parseSince } from "../../ledger/since.ts";
import { openReceipts } from "../../library/open-receipts.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";

const options = z.strictObject({
  since: z.string().optional().describe("only receipts since a date, or for the last 2h, 7d"),
  model: z.string().optional().describe("only receipts of this model"),
  key: z.string().optional().describe("only receipts of the server key with this id"),
  ledger: z.string().optional().describe("where the receipts are: a file, or postgres://… (default: in MODICUM_HOME)"),
  audits: z.boolean().default(false).describe("also add up receipts of audits"),
  limit: z.int().min(1).default(20).describe("maximum number of receipts to list; totals include all"),
});

export function define(command: Command): void {
  addFlags(command, options)
    .option("--json", "print one JSON object: receipts, newest first, and sums")
    .action(receipts);
  examples(command, "modicum receipts --since 7d", "modicum receipts --model smollm2 --json");
}

async function receipts(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { since, model, key, audits, limit, ledger: place } = readFlags(options, flags);
  const filter = { model, key, ...(since !== undefined && { since: parseSince(since) }) };
  const ledger = await openReceipts(place);
  const [list, sum, keys] = [
    await ledger.list({ ...filter, limit }),
    await ledger.sum({ ...filter, audits }),
    await ledger.sums({ ...filter, audits }),
  ];
  await ledger.close();
  if (flags["json"]) return printJson({ receipts: list, sum, keys });
  if (list.length > 0) print(renderTable(list));
  print(renderSum(sum));
}
