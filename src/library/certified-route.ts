import { existsSync } from "node:fs";
import { Stopwatch } from "../engine/bill/stopwatch.ts";
import type { Prompt } from "../engine/decode/language-model.ts";
import { parseRouteText } from "../pipelines/route/name.ts";
import type { PairIdentity } from "../pipelines/route/record.ts";
import type { Decider } from "../pipelines/route/route.ts";
import { scoreOptions } from "../pipelines/route/scores.ts";
import { type Certificate, readCertificate, requireWeights, switchFile } from "../savings/auto/certificate.ts";
import { type Chosen, choose, costs } from "../savings/auto/choose.ts";
import type { Choice } from "../savings/auto/guarantee.ts";
import { UserError } from "../util/errors.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";
import * as args from "./arguments.ts";
import { given } from "./arguments.ts";
import type { Model } from "./model.ts";
import type { RunOptions } from "./options.ts";
import { requestOf } from "./request.ts";
import { scoringOf } from "./route-scoring.ts";

/** A certificate of `lab tune` for a pair, checked against both models. */
export interface PairCertificate {
  readonly name: string;
  readonly certificate: Certificate;
  /** False: a request that is read or drawn in another way than those of the test is dense's, not refused. */
  readonly strict: boolean;
}

/** @throws UserError if there is no such certificate, or it is of one model, of another pair or of other weights */
export function certificateFor(
  pair: PairIdentity,
  auto: string,
  held: { readonly swift: ModelForm; readonly super: ModelForm },
  strict = true,
): PairCertificate {
  const certificate = readCertificate(auto);
  const named = `${pair.swift.name}>${pair.super.name}`;
  const certified = certificate.pair;
  if (!certified)
    throw new UserError(`auto:${auto} was certified for one model, and ${named} is a pair; name the model`, 2);
  for (const role of ["swift", "super"] as const) {
    const { recipe, sha256 } = pair[role];
    if (sha256 === undefined)
      throw new UserError(
        `auto:${auto}: ${pair[role].name} runs on another server, so that its weights are not known`,
        2,
      );
    if (recipe.length > 0)
      throw new UserError(
        `auto:${auto} was certified for two models without recipes, and ${named} has ${recipe.join(" ")}`,
        2,
      );
    const whose = `${certified.name}'s ${role === "swift" ? "Swift" : "Super"}`;
    const weights = role === "swift" ? certified.swift : certificate;
    requireWeights(auto, whose, weights, { ...held[role], model: sha256 });
  }
  return { name: auto, certificate, strict };
}

/** The rule of one request, and what the certificate made of it. */
interface CertifiedRule {
  readonly decider: Decider;
  readonly choice: Choice;
}

/**
 * The rule that a certificate has for a request; a prompt's tokens are counted by Swift.
 * @throws UserError if the request is read or drawn in another way than those of the test
 */
export async function ruleUnder(
  { name, certificate, strict }: PairCertificate,
  swift: Model,
  prompt: Prompt,
  options: RunOptions,
): Promise<CertifiedRule> {
  const checked = given("generate's options", args.runOptions, options);
  const { key, arrived, deadline, onBegun, ceiling, signal, onStopped, ...settings } = checked;
  const request = await requestOf(
    swift,
    given("generate's prompt", args.prompt, prompt),
    settings,
    new Stopwatch(),
    signal,
  );
  const { facts, visual = [] } = request;
  const planned = { prompt: request.prompt.length, visual, facts };
  const chosen: Chosen = existsSync(switchFile(name))
    ? { recipe: "dense", cost: costs(certificate, "dense", planned, 0), reason: "off" }
    : choose(name, certificate, planned, strict);
  const { risk, confidence, loss } = certificate;
  const route = certificate.pair!.routes[chosen.recipe];
  const guarantee = chosen.reason === undefined ? { risk, confidence, loss, certificate: name } : null;
  const choice: Choice = {
    ...{ recipe: route === undefined ? [] : [route], guarantee },
    ...(chosen.reason && { reason: chosen.reason }),
    ...(facts?.budget && { budget: { asked: facts.budget, predicted: chosen.cost } }),
  };
  return { choice, decider: route === undefined ? DENSE : deciderIn(route, swift) };
}

/** Super alone. */
const DENSE: Decider = { scoring: scoreOptions.parse({}), threshold: Number.POSITIVE_INFINITY, alone: true };

function deciderIn(route: string, swift: Model): Decider {
  const options = parseRouteText(route);
  return { scoring: scoringOf(options, swift), threshold: options.t! };
}
