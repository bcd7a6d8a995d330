import { z } from "zod";
import { receiptSchema } from "../../ledger/receipt.ts";
import { parseSince } from "../../ledger/since.ts";
import { type Call, type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { unauthorised } from "../keys/access.ts";
import type { ServerContext } from "../server-context.ts";

const MOST_LISTED = 1000;
const count = `expected a whole number from 1 to ${MOST_LISTED}`;
const time = z.string().max(40).optional();
const filter = z.object({
  since: time.describe("only receipts since a date, or within a period such as 2h or 7d"),
  until: time.describe("only receipts before a date, or older than a period such as 2h or 7d"),
  model: z.string().max(300).optional().describe("only receipts of the model with this name"),
  key: z
    .string()
    .max(100)
    .optional()
    .describe("only receipts of the key with this id; without the scope admin, a key sees only its own"),
  audits: z.literal("true", "expected true").optional().describe("true: sums include receipts of audits"),
  limit: z.coerce
    .number(count)
    .int(count)
    .min(1, count)
    .max(MOST_LISTED, count)
    .default(20)
    .describe("maximum receipts to return; the sum includes all"),
});

const { tokens, flops, bytes, ms } = receiptSchema.shape;
const sum = z.object({ receipts: z.int(), estimated: z.int(), tokens, flops, bytes, ms });
const keySum = sum.extend({ key: z.string().nullable().describe("the key's id; null for requests without a key") });

/** `GET /v1/receipts`: newest first, and the sums of all receipts that match the filter. */
export const receipts = (context: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/receipts"],
    summary: "List receipts, newest first, with totals; for admins also totals by key",
    scope: "infer",
    input: filter,
    output: z.object({
      object: z.literal("list"),
      data: z.array(receiptSchema),
      sum,
      keys: z.array(keySum).optional().describe("totals by key, largest first; admins only"),
    }),
    async handle({ since, until, model, key, audits, limit }, call) {
      const filter = { model, since: timeOf(since), until: timeOf(until), key: ownerOf(call) ?? key };
      const summed = { ...filter, audits: audits === "true" };
      await context.ledger.flush();
      const { ledger } = context.ledger;
      const [data, sum] = await Promise.all([ledger.list({ ...filter, limit }), ledger.sum(summed)]);
      return { object: "list", data, sum, ...(call.admin && { keys: await ledger.sums(summed) }) };
    },
  });

const timeOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : parseSince(text));

/**
 * The only key whose receipts the caller may see; undefined if the caller may see all. @throws HttpError for callers
 * who may see none
 */
function ownerOf({ key, admin }: Call): string | undefined {
  if (admin) return undefined;
  if (key) return key.id;
  throw unauthorised("API key required, since receipts belong to keys; send it in the Authorization header: Bearer …");
}

/** `GET /v1/receipts/{id}`. */
export const oneReceipt = (context: ServerContext): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/receipts/{id}"],
    params: { id: "the id in the answer's receipt" },
    summary: "Show one receipt",
    scope: "infer",
    output: receiptSchema,
    async handle(_, call) {
      const owner = ownerOf(call);
      const id = call.params["id"]!;
      await context.ledger.flush();
      const receipt = await context.ledger.ledger.get(id);
      if (receipt && (owner === undefined || receipt.key === owner)) return receipt;
      throw new HttpError(404, `there is no receipt ${id.slice(0, 60)}`, { code: "receipt_not_found" });
    },
  });
