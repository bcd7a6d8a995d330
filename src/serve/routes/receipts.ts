import { z } from "zod";
import { receiptSchema } from "../../ledger/receipt.ts";
import { parseSince } from "../../ledger/since.ts";
import type { House } from "../house.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";

const time = z.string().max(40).optional();
const filter = z.object({
  since: time.describe("a duration such as 2h or 7d, or a date"),
  until: time.describe("likewise; receipts from then on are left out"),
  model: z.string().max(300).optional(),
  limit: z.coerce
    .number("expected a number")
    .int()
    .min(1)
    .max(1000)
    .default(20)
    .describe("most receipts; the sum is of all"),
});

const { tokens, flops, bytes, ms } = receiptSchema.shape;
const sum = z.object({ receipts: z.int(), estimated: z.int(), tokens, flops, bytes, ms });

/** `GET /v1/receipts`: newest first, and the sum of all that the filter takes in. */
export const receipts = (house: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/receipts"],
    summary: "Lists receipts, newest first, with the sum of all that the filter takes in",
    scope: "admin",
    input: filter,
    output: z.object({ object: z.literal("list"), data: z.array(receiptSchema), sum }),
    async handle({ since, until, model, limit }) {
      const wanted = { model, since: timeOf(since), until: timeOf(until) };
      house.ledger.flush();
      const { ledger } = house.ledger;
      return { object: "list", data: ledger.list({ ...wanted, limit }), sum: ledger.sum(wanted) };
    },
  });

const timeOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : parseSince(text));

/** `GET /v1/receipts/{id}`. */
export const oneReceipt = (house: House): Endpoint =>
  endpoint({
    method: "get",
    paths: ["/v1/receipts/{id}"],
    summary: "Shows one receipt",
    scope: "admin",
    output: receiptSchema,
    async handle(_, { params }) {
      house.ledger.flush();
      const found = house.ledger.ledger.get(params["id"]!);
      if (found) return found;
      throw new HttpError(404, `there is no receipt ${params["id"]!.slice(0, 60)}`, { code: "receipt_not_found" });
    },
  });
