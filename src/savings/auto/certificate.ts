import { existsSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { keepJson, writeWhole } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import { type ModelForm, quants } from "../../weights/prepared/quant.ts";
import { home } from "../../weights/sources/home.ts";
import { formAdvice } from "../notice-form.ts";

/** The losses that a certificate may bound. */
export const lossNames = ["harm", "quality", "agreement", "nats"] as const;
export type LossName = (typeof lossNames)[number];

const length = z.int().min(0);

/** A request's cost: `fixed + new·n + attended·n·(cached + n/2) + answer·m` for n uncached prompt tokens and m answer tokens. */
const price = z.strictObject({ fixed: z.number(), new: z.number(), attended: z.number(), answer: z.number() });
export type Price = z.infer<typeof price>;

/** The recipes for a range of prompt lengths in tokens; null means no upper limit. */
const rungs = z.strictObject({ tokens: z.tuple([length, length.nullable()]), rungs: z.array(z.string()).min(1) });

/** A pair's first model, and the router setting for each recipe of the ladder, with its threshold. */
const pairSchema = z.strictObject({
  name: z.string(),
  swift: z.strictObject({ model: z.string(), form: z.enum(quants), codes: z.number() }),
  routes: z.record(z.string(), z.string()),
});

export const certificateSchema = z.strictObject({
  /** The allowed recipes by prompt length, with all options. */
  ladder: z.array(rungs),
  /** The bound on the expected loss, in the loss's own unit, and the probability that it holds. */
  risk: z.number(),
  confidence: z.number(),
  loss: z.enum(lossNames),
  type: z.enum(["binary", "unit", "signed"]),
  items: z.strictObject({ search: length, test: length, groups: length }),
  /** The number of tuning runs for this model, loss and task; each is tested at half the previous run's error rate. */
  attempt: z.int().min(1),
  p: z.number(),
  /** The mean loss on the test items. */
  mean: z.number(),
  /** For certificates with another loss: the smallest bound on `nats` that the test supports. Audits bet against it. */
  nats: z.number().optional(),
  /** Dense's mean quality, if the loss compares qualities. */
  quality: z.number().optional(),
  /** The ladders in the order tested, the most expensive first. */
  order: z.array(z.strictObject({ ladder: z.array(rungs), p: z.number(), mean: z.number(), certified: z.boolean() })),
  /** Each recipe's mean loss and prices, including dense's. */
  recipes: z.record(z.string(), z.strictObject({ loss: z.number(), ms: price, flops: price, bytes: price })),
  /**
   * Medians over the timed items, for dense and for the ladder's cheapest recipe; `ci95` is for the median share of
   * dense's time.
   */
  cost: z.strictObject({
    by: z.enum(["ms", "flops", "bytes"]),
    ms: z.strictObject({ dense: z.number(), chosen: z.number(), ci95: z.tuple([z.number(), z.number()]) }),
    flops: z.strictObject({ dense: z.number(), chosen: z.number() }),
    bytes: z.strictObject({ dense: z.number(), chosen: z.number() }),
  }),
  /** The lengths, in tokens, of the test's shortest and longest prompts, and the 90th percentile of answer lengths. */
  lengths: z.tuple([length, length]),
  answer: length,
  /** The smallest token limit that cut off an answer in the test; absent if none did. Longer answers are untested. */
  maxTokens: z.int().min(1).optional(),
  model: z.string(),
  form: z.enum(quants),
  codes: z.number(),
  prompt: z.enum(["chat", "raw"]),
  /** The sampling settings; a temperature of 0 is greedy. */
  sampling: z.record(z.string(), z.number()),
  adapter: z.string().optional(),
  /** For a pair of models: `model`, `form` and `codes` are Super's, and prompt tokens are counted with Swift's tokenizer. */
  pair: pairSchema.optional(),
  /** Hashes of the recipes' files, by path. */
  files: z.record(z.string(), z.string()).optional(),
  task: z.strictObject({ name: z.string(), hash: z.string() }),
  machine: z.string(),
  modicum: z.string(),
  created: z.iso.datetime(),
});

export type Certificate = z.infer<typeof certificateSchema>;

const stored = z.strictObject({ certificate: certificateSchema, sha256: z.string() });

/** The file of the certificate with this name. */
export const certificateFile = (name: string): string => path.join(home(), "certificates", `${name}.json`);

/** A file that, while it exists, switches the certificate off, so that every request runs dense. */
export const switchFile = (name: string): string => path.join(home(), "certificates", `${name}.off`);

/** Switches a certificate on or off, for all processes, from the next request on. @throws UserError if it is missing */
export async function switchCertificate(name: string, on: boolean): Promise<void> {
  readCertificate(name);
  if (on) rmSync(switchFile(name), { force: true });
  else await writeWhole(switchFile(name), "");
}

/** SHA-256 of a certificate. */
export const certificateHash = (certificate: Certificate): string => sha256Of(JSON.stringify(certificate));

/**
 * Writes a certificate with its hash and switches it on, whatever the state of an earlier one with this name. @throws
 * UserError if writing fails
 */
export async function keepCertificate(name: string, certificate: Certificate): Promise<void> {
  await keepJson(certificateFile(name), { certificate, sha256: certificateHash(certificateSchema.parse(certificate)) });
  rmSync(switchFile(name), { force: true });
}

/** A value that changes with the certificate's file; undefined if the file is missing. */
export function certificateStamp(name: string): string | undefined {
  const stat = statSync(certificateFile(name), { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.mtimeNs} ${stat.ino} ${stat.size}`;
}

/** @throws UserError if there is no certificate with that name, or its file was edited */
export function readCertificate(name: string): Certificate {
  const file = certificateFile(name);
  if (!existsSync(file))
    throw new UserError(
      `auto:${name}: there is no certificate with that name; \`lab tune --name ${name}\` makes one`,
      2,
    );
  const { certificate, sha256 } = readJson(file, stored, "a certificate");
  if (certificateHash(certificate) === sha256) return certificate;
  throw new UserError(`auto:${name}: the certificate was changed after it was issued: its hash differs; tune again`);
}

/** The certificate of `auto:NAME`; undefined for any other saving. @throws UserError if the certificate is missing */
export const certificateIn = (saving: string): Certificate | undefined =>
  saving.startsWith("auto:") ? readCertificate(saving.slice("auto:".length)) : undefined;

/** True if `auto:NAME` names a certificate for a pair of models. @throws UserError if the certificate is missing */
export const isPairCertificate = (saving: string): boolean => certificateIn(saving)?.pair !== undefined;

/** The identity of a model's weights in a certificate. */
export type Weights = Pick<Certificate, "model" | "form" | "codes">;

/**
 * Compares a model with a certificate's model; `whose` is the model's role in a pair.
 * @throws UserError that names the difference
 */
export function requireWeights(
  name: string,
  whose: string,
  certified: Weights,
  actual: ModelForm & { readonly model: string },
): void {
  const refuse = (what: string, held: unknown, actual: unknown, advice = "") => {
    throw new UserError(
      `auto:${name} was certified for ${what} ${held}, but this is ${actual}; tune again, or name the model that it was tuned on${advice}`,
    );
  };
  const { model, form, codes } = certified;
  const of = whose === "" ? "" : ` of ${whose}`;
  if (actual.model !== model) refuse(`the model${of}`, `${model.slice(0, 12)}…`, `${actual.model.slice(0, 12)}…`);
  if (actual.quant !== undefined && actual.quant !== form)
    refuse(`weights${of} of the form`, form, actual.quant, formAdvice(form, actual.quant));
  if (actual.codes !== undefined && actual.codes !== codes)
    refuse(`codes${of} of`, `${codes} bits`, `${actual.codes} bits on this machine`);
}
