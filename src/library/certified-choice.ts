import { existsSync } from "node:fs";
import { Stopwatch } from "../engine/bill/stopwatch.ts";
import type { TextRequest } from "../pipelines/request.ts";
import type { NamedCertificate } from "../pipelines/resources.ts";
import { switchFile } from "../savings/auto/certificate.ts";
import { choose, costs, type RecipeChoice } from "../savings/auto/choose.ts";
import type { Choice } from "../savings/auto/guarantee.ts";
import * as args from "./arguments.ts";
import { checkArgument } from "./arguments.ts";
import type { Model } from "./model.ts";
import { requestOf, settingsOf } from "./request.ts";

/**
 * The recipe that a certificate selects for a request, empty for dense; `model` counts a prompt's tokens. @throws
 * UserError if the prompt form or sampling differs from the test's
 */
export async function choiceUnder(
  { name, certificate, strict }: NamedCertificate,
  model: Model,
  { prompt, options, signal }: TextRequest,
): Promise<Choice> {
  const settings = settingsOf(checkArgument("generate's options", args.runOptions, options));
  const text = checkArgument("generate's prompt", args.prompt, prompt);
  const request = await requestOf(model, text, settings, new Stopwatch(), signal);
  const { facts, visual = [] } = request;
  const planned = { prompt: request.prompt.length, visual, facts };
  const choice: RecipeChoice = existsSync(switchFile(name))
    ? { recipe: "dense", cost: costs(certificate, "dense", planned, 0), reason: "off" }
    : choose(name, certificate, planned, strict);
  const { risk, confidence, loss } = certificate;
  return {
    recipe: choice.recipe === "dense" ? [] : [choice.recipe],
    guarantee: choice.reason === undefined ? { risk, confidence, loss, certificate: name } : null,
    ...(choice.reason && { reason: choice.reason }),
    ...(choice.maxTokens !== undefined && { maxTokens: choice.maxTokens }),
    ...(facts?.budget && { budget: { asked: facts.budget, predicted: choice.cost } }),
  };
}
