import { randomBytes } from "node:crypto";
import { z } from "zod";
import { cutReasons } from "../engine/decode/answer/cut.ts";
import { budget, type Choice, type Cost, guarantee, unguaranteed } from "../savings/auto/guarantee.ts";

const amount = z.number().min(0);
const count = z.int().min(0);
/** An amount that earlier versions' receipts lack. */
const later = amount.default(0);
const counter = z.strictObject({ dense: count, run: count });
const cost = z.strictObject({ ms: amount, flops: amount });

/** The cost of one request, and the cost of its dense run. FLOPs count a multiply-add as 2; `ms` are milliseconds. */
export const receiptSchema = z
  .strictObject({
    id: z.string().min(1),
    created: z.iso.datetime({ precision: 3 }),
    model: z.string().min(1),
    recipe: z.array(z.string()),
    adapter: z.string().optional().describe("the LoRA adapter that the model was loaded with: its folder's name"),
    form: z.literal("q8r").optional().describe("the form of the weights, if the layers ran in rotated bytes"),
    tokens: z.strictObject({ prompt: count, cached: count, completion: count }),
    flops: z.strictObject({ dense: amount, spent: amount, overhead: amount, saved: z.number().max(1) }),
    bytes: z.strictObject({ dense: amount, spent: amount }),
    work: z
      .record(z.string(), z.union([counter, z.record(z.string(), z.union([count, counter]))], "is not a counter"))
      .optional()
      .describe(
        "work that a recipe changed (layers, blocks, tokens …): the amount that dense would run, and the amount that ran; calls are listed by model",
      ),
    ms: z.strictObject({
      queue: later.describe("waiting for memory or for a place in the batch"),
      load: amount.describe("loading the model, billed to its first request"),
      encode: later.describe("reading images"),
      prefill: amount.describe("reading the prompt, and searching"),
      decode: amount,
      total: amount.describe("the sum of the other times"),
    }),
    estimated: z.boolean(),
    purpose: z.literal("audit").optional().describe("an audit of another request's answer; not included in sums"),
    server: z.string().optional().describe("the other server that ran the request"),
    cut: z.enum(cutReasons).optional().describe("why an answer was cut"),
    key: z.string().optional().describe("the id of the key"),
    guarantee: guarantee.nullish().describe("the certificate of the answer; null if it does not cover this request"),
    unguaranteed: unguaranteed.optional().describe("why there is no guarantee"),
    budget: z
      .strictObject({ asked: budget, predicted: cost, spent: cost, met: z.boolean() })
      .optional()
      .describe("the budget, the prediction and the cost, without time in the queue"),
  })
  .refine((r) => r.flops.overhead <= r.flops.spent, {
    path: ["flops", "overhead"],
    error: "is more than spent, which includes it",
  })
  .refine((r) => r.tokens.cached <= r.tokens.prompt, {
    path: ["tokens", "cached"],
    error: "exceeds prompt, which includes it",
  })
  .refine((r) => Math.abs(r.flops.saved - savedShare(r.flops)) <= 1e-3, {
    path: ["flops", "saved"],
    error: "is not 1 - spent/dense",
  });

export type Receipt = z.output<typeof receiptSchema>;

/** A receipt without derived fields: its id, its time of creation, the share saved, and the sum of its times. */
export type ReceiptParts = Omit<Receipt, "id" | "created" | "flops" | "ms"> & {
  flops: Omit<Receipt["flops"], "saved">;
  ms: Omit<Receipt["ms"], "total">;
};

/** 1 − spent/dense: negative if the request spent more than dense; 0 if dense is 0. */
export function savedShare({ dense, spent }: { dense: number; spent: number }): number {
  return dense === 0 ? 0 : 1 - spent / dense;
}

/**
 * Builds the receipt of `parts`, created at `now` (Unix milliseconds). An invalid field is a bug: a RangeError names
 * the first one.
 */
export function makeReceipt(parts: ReceiptParts, now: number = Date.now()): Receipt {
  const flops = { ...parts.flops, saved: savedShare(parts.flops) };
  const { queue, load, encode, prefill, decode } = parts.ms;
  const ms = { queue, load, encode, prefill, decode, total: queue + load + encode + prefill + decode };
  const { data, error } = receiptSchema.safeParse({
    ...parts,
    id: timeId(now),
    created: new Date(now).toISOString(),
    flops,
    ms,
  });
  if (data !== undefined) return data;
  const issue = error.issues[0]!;
  throw new RangeError(`receipt of ${parts.model}: ${issue.path.join(".")} ${issue.message}`);
}

/** A receipt's certificate and budget fields. Queueing time does not count against the recipe. */
export const certified = (
  { guarantee, reason, budget }: Choice,
  spent: Cost,
): Pick<Receipt, "guarantee" | "unguaranteed" | "budget"> => ({
  guarantee,
  ...(reason && { unguaranteed: reason }),
  ...(budget && {
    budget: {
      ...budget,
      spent,
      met: spent.ms <= (budget.asked.ms ?? spent.ms) && spent.flops <= (budget.asked.flops ?? spent.flops),
    },
  }),
});

/** UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits, so ids sort by time as text. */
export function timeId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
