import type { Command } from "commander";
import { z } from "zod";
import { renderSum, renderTable } from "../../ledger/render.ts";
import { parseSince } from "../../ledger/since.ts";
import { openLedger } from "../../ledger/store.ts";
import { receiptsFile } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { print, printJson } from "../output.ts";

const options = z.strictObject({
  since: z.string().optional().describe("a duration such as 2h or 7d, or a date; older receipts are left out"),
  model: z.string().optional().describe("only receipts of this model"),
  limit: z.int().min(1).default(20).describe("most receipts to list; the sum is always of all"),
});

export function define(command: Command): void {
  addFlags(command, options)
    .option("--json", "print one JSON object: the receipts, newest first, and their sum")
    .action(receipts);
}

async function receipts(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { since, model, limit } = readFlags(options, given);
  const filter = { model, ...(since !== undefined && { since: parseSince(since) }) };
  const ledger = await openLedger(receiptsFile());
  const [list, sum] = [ledger.list({ ...filter, limit }), ledger.sum(filter)];
  ledger.close();
  if (given["json"]) return printJson({ receipts: list, sum });
  if (list.length > 0) print(renderTable(list));
  print(renderSum(sum));
}
