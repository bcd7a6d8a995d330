import type { Command } from "commander";
import { z } from "zod";
import { renderSum, renderTable } from "../../ledger/render.ts";
import { parseSince } from "../../ledger/since.ts";
import { openReceipts } from "../../library/open-receipts.ts";
import { addFlags, readFlags } from "../flags.ts";
import { print, printJson } from "../output.ts";

const options = z.strictObject({
  since: z.string().optional().describe("only receipts since a duration ago (2h, 7d) or a date"),
  model: z.string().optional().describe("only receipts of this model"),
  key: z.string().optional().describe("only receipts of this server key, by id"),
  ledger: z.string().optional().describe("the ledger: a file, or postgres://… (default: the one in MODICUM_HOME)"),
  audits: z.boolean().default(false).describe("also add up receipts of audits"),
  limit: z.int().min(1).default(20).describe("how many receipts to list; totals include all"),
});

export function define(command: Command): void {
  addFlags(command, options)
    .option("--json", "print one JSON object: receipts (newest first), sum and sums by key")
    .action(receipts);
}

async function receipts(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { since, model, key, audits, limit, ledger: place } = readFlags(options, given);
  const filter = { model, key, ...(since !== undefined && { since: parseSince(since) }) };
  const ledger = await openReceipts(place);
  const [list, sum, keys] = [
    await ledger.list({ ...filter, limit }),
    await ledger.sum({ ...filter, audits }),
    await ledger.sums({ ...filter, audits }),
  ];
  await ledger.close();
  if (given["json"]) return printJson({ receipts: list, sum, keys });
  if (list.length > 0) print(renderTable(list));
  print(renderSum(sum));
}
