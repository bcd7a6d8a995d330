import { existsSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { fileHash } from "../file-hash.ts";
import { densePlan, type Plan, type PlanRequest, planOf } from "../plan.ts";
import { preparedSavings } from "../prepared.ts";
import type { Recipe } from "../recipe.ts";
import type { PreparedSaving, Saving } from "../saving.ts";
import type { SavingHost } from "../seams.ts";
import { auditedRisk } from "./audit-state.ts";
import {
  type Certificate,
  certificateHash,
  certificateStamp,
  readCertificate,
  requireWeights,
  switchFile,
} from "./certificate.ts";
import { choose, costs, type RecipeChoice } from "./choose.ts";
import type { Choice } from "./guarantee.ts";
import { recipesOf } from "./ladder.ts";

const options = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,100}$/, "expected the name of a certificate: letters, digits, ., - and _"),
  else: z.literal("dense", "expected dense").optional(),
});
type AutoOptions = z.infer<typeof options>;

/** The recipe prefix before a certificate's name: `auto:mine`. */
export const AUTO = "auto";

/**
 * `auto:NAME`: runs each request with the cheapest recipe that a certificate of `lab tune` allows for it. A request
 * whose prompt form or sampling differs from the test's is refused; with `,else=dense`, a server's default, it runs
 * dense. `read` parses the ladder's recipes.
 */
export const autoSaving = (read: (texts: readonly string[]) => Recipe): Saving<AutoOptions> => ({
  name: AUTO,
  group: "routing",
  summary: "the cheapest recipe that a certificate of `lab tune` allows for each request",
  needs: [],
  options,
  unsupported: () => undefined,
  seams: () => [],
  async check({ name }, host) {
    await requireModel(name, readCertificate(name), host);
  },
  async prepare({ name, else: other }, host) {
    const stamp = certificateStamp(name);
    const certificate = readCertificate(name);
    await requireModel(name, certificate, host);
    await requireFiles(name, certificate);
    const variants = new Map<string, readonly PreparedSaving[]>([["dense", []]]);
    const free = () => void [...variants.values()].flat().forEach((saving) => void saving[Symbol.dispose]());
    try {
      for (const recipe of recipesOf(certificate.ladder))
        variants.set(recipe, await preparedSavings(read(recipe.split(" ")), host));
    } catch (error) {
      free();
      throw error;
    }
    const isOff = watchedSwitch(name, host.onNotice);
    const audited = auditedRisk(certificate) === undefined ? undefined : certificateHash(certificate);
    const ready = { name, certificate, audited, variants, strict: other === undefined };
    return {
      variants: [...variants.values()],
      current: () => certificateStamp(name) === stamp,
      plan: (request) => partOf(ready, request, isOff()),
      [Symbol.dispose]: free,
    };
  },
});

interface Ready {
  readonly name: string;
  readonly certificate: Certificate;
  /** The certificate's SHA-256, if audits can bet against it. */
  readonly audited: string | undefined;
  /** The certificate's recipes, by text. */
  readonly variants: ReadonlyMap<string, readonly PreparedSaving[]>;
  readonly strict: boolean;
}

/** Returns a function that checks whether a certificate is off, and reports each change. */
function watchedSwitch(name: string, onNotice: SavingHost["onNotice"]): () => boolean {
  let off = false;
  return () => {
    const before = off;
    off = existsSync(switchFile(name));
    if (off !== before) onNotice?.(`auto:${name} is ${off ? "off: its requests run dense" : "on again"}`);
    return off;
  };
}

function partOf(ready: Ready, request: PlanRequest, off: boolean) {
  const { name, certificate, variants, strict } = ready;
  const planUnder = (recipe: string): Plan => {
    const parts = variants.get(recipe)!.flatMap((saving) => saving.plan(request) ?? []);
    return parts.length > 0 ? planOf(parts) : densePlan;
  };
  // Each recipe has its own cache key, so a conversation keeps the recipe that has its prefix cached.
  const cachedUnder = (recipe: string): number => request.facts?.cached?.(planUnder(recipe).state.prompt) ?? 0;
  const choice: RecipeChoice = off
    ? { recipe: "dense", cost: costs(certificate, "dense", request, cachedUnder("dense")), reason: "off" }
    : choose(name, certificate, request, strict, cachedUnder);
  const plan = planUnder(choice.recipe);
  return { ...plan, choice: choiceOf(ready, choice, request) };
}

function choiceOf({ name, certificate, audited }: Ready, choice: RecipeChoice, { facts }: PlanRequest): Choice {
  const { risk, confidence, loss } = certificate;
  const { recipe, reason, cost, maxTokens } = choice;
  return {
    recipe: recipe === "dense" ? [] : recipe.split(" "),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(audited !== undefined && { audited }),
    ...(reason === undefined
      ? { guarantee: { risk, confidence, loss, certificate: name } }
      : { guarantee: null, reason }),
    ...(facts?.budget && { budget: { asked: facts.budget, predicted: cost } }),
  };
}

/** @throws UserError if the certificate is for a pair, another model, or other weights of this model */
async function requireModel(name: string, certificate: Certificate, host: SavingHost): Promise<void> {
  const { pair } = certificate;
  if (pair)
    throw new UserError(
      `auto:${name} was certified for the pair ${pair.name}, but this is one model; name the pair instead`,
      2,
    );
  requireWeights(name, "", certificate, { model: await host.hash(), ...host.form });
}

/** @throws UserError if a recipe's file has changed since certification */
async function requireFiles(name: string, { files = {} }: Certificate): Promise<void> {
  for (const [file, sha256] of Object.entries(files))
    if ((await fileHash(file)) !== sha256)
      throw new UserError(`${file} has changed since auto:${name} was certified; restore it, or tune again`, 2);
}
