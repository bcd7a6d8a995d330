import { readCertificate, requireWeights } from "../../savings/auto/certificate.ts";
import type { Choice } from "../../savings/auto/guarantee.ts";
import { noticeForm } from "../../savings/notice-form.ts";
import { UserError } from "../../util/errors.ts";
import type { ModelForm } from "../../weights/prepared/quant.ts";
import type { ModelIdentity } from "../model.ts";
import type { TextRequest } from "../request.ts";
import type { Facts, NamedCertificate, Resources } from "../resources.ts";
import { type ScoreOptions, scoreOptions } from "../scores.ts";
import type { NamedText } from "../text-pipeline.ts";
import { parseRouteText, type RouteOptions } from "./name.ts";
import { type Calibration, findCalibration, type PairIdentity, thresholdOf } from "./record.ts";
import type { Decider } from "./route.ts";

/** A pair, and its decision rule, or a certificate that chooses a rule for each request. */
export interface PreparedRoute {
  readonly pair: PairIdentity;
  readonly rule: Decider | NamedCertificate;
}

/** The source of a pair's calibration. */
interface CalibrationSource {
  /** A calibration file that replaces the pair's own file. */
  readonly file?: string | undefined;
  /** Called if the calibration was made with a different form of Swift's weights. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/** @throws UserError if both are the same model, or the pair is not calibrated or certified for these options */
export async function prepared(
  { name, byDefault }: NamedText,
  options: RouteOptions,
  resources: Resources,
  file?: string,
): Promise<PreparedRoute> {
  const pair = pairOf(name, await resources.identity("swift"), await resources.identity("super"));
  const { auto } = options;
  if (auto !== undefined) return { pair, rule: await certificateFor(pair, auto, resources, byDefault !== true) };
  const swift = { ...(await resources.facts("swift")), form: await resources.form("swift") };
  const onNotice = (sentence: string) => resources.notice(sentence);
  return { pair, rule: deciderOf(pair, options, swift, { file, onNotice }) };
}

/** @throws UserError if both are the same model with the same recipe, or Swift runs on another server */
function pairOf(name: string, swift: ModelIdentity, strong: ModelIdentity): PairIdentity {
  if (swift.sha256 === undefined)
    throw new UserError(
      `${swift.name} runs on other servers, which do not return its logits; the first model of a pair has to run here`,
      2,
    );
  const key = ({ sha256, recipe, quant }: ModelIdentity) => JSON.stringify([sha256, recipe, quant]);
  if (key(swift) === key(strong))
    throw new UserError(`${name}: both are the same model, expected two of different cost`, 2);
  return { swift, super: strong };
}

/** Swift's tokenizer, and its name in messages. */
type ScoringModel = Pick<Facts, "tokenizer"> & { readonly source: Pick<Facts["source"], "name"> };

/** The score in a route's options. @throws UserError for a label that is not a single token for Swift */
export const scoringOf = (
  { score, temperature, aggregate, seed, labels }: Omit<RouteOptions, "auto">,
  swift: ScoringModel,
): ScoreOptions =>
  scoreOptions.parse({
    score,
    temperature,
    aggregate,
    seed,
    ...(labels && { labelTokens: labelTokens(swift, labels) }),
  });

/** @throws UserError for a label that is not one token */
function labelTokens({ tokenizer, source }: ScoringModel, labels: readonly string[]): number[] {
  return labels.map((label) => {
    const ids = tokenizer.encode(label);
    if (ids.length === 1) return ids[0]!;
    throw new UserError(`label ${JSON.stringify(label)} is ${ids.length} tokens of ${source.name}, expected one`, 2);
  });
}

/** @throws UserError if the pair is not calibrated for these options */
export function deciderOf(
  pair: PairIdentity,
  options: RouteOptions,
  swift: ScoringModel & { readonly form: ModelForm },
  { file, onNotice }: CalibrationSource = {},
): Decider {
  const scoring = scoringOf(options, swift);
  const { timeout } = options;
  const record = () => {
    const calibration = findCalibration(pair, scoring, file);
    noticeForm(
      calibration.path,
      { quant: calibration.swift.form, codes: calibration.swift.codes },
      swift.form,
      onNotice,
    );
    return calibration.calibration;
  };
  return {
    ...{ scoring, threshold: thresholdFor(options, scoring, record) },
    ...(timeout !== undefined && { timeout: 1000 * timeout }),
  };
}

function thresholdFor({ t, share }: RouteOptions, scoring: ScoreOptions, recordOf: () => Calibration): number {
  if (t !== undefined) return t;
  // Random scores are uniform already.
  if (scoring.score === "random" && share !== undefined) return share;
  const record = recordOf();
  return share === undefined ? thresholdOf(record) : thresholdOf(record, { by: "share", value: share });
}

/** @throws UserError if there is no such certificate, or it is for a single model, another pair or other weights */
async function certificateFor(
  pair: PairIdentity,
  auto: string,
  resources: Pick<Resources, "form">,
  strict: boolean,
): Promise<NamedCertificate> {
  const certificate = readCertificate(auto);
  const named = `${pair.swift.name}>${pair.super.name}`;
  const certified = certificate.pair;
  if (!certified)
    throw new UserError(`auto:${auto} was certified for one model, but ${named} is a pair; request the model`, 2);
  for (const role of ["swift", "super"] as const) {
    const { recipe, sha256 } = pair[role];
    if (sha256 === undefined)
      throw new UserError(`auto:${auto}: ${pair[role].name} runs on another server, and its weights are unknown`, 2);
    if (recipe.length > 0)
      throw new UserError(
        `auto:${auto} was certified for two models without recipes, and ${named} has ${recipe.join(" ")}`,
        2,
      );
    const whose = `${certified.name}'s ${role === "swift" ? "Swift" : "Super"}`;
    const weights = role === "swift" ? certified.swift : certificate;
    requireWeights(auto, whose, weights, { ...(await resources.form(role)), model: sha256 });
  }
  return { name: auto, certificate, strict };
}

/** The rule for one request, and its certificate's choice. */
interface RequestRule {
  readonly decider: Decider;
  readonly choice?: Choice;
}

/** @throws UserError if the certificate refuses the request's prompt form or sampling */
export async function ruleFor(
  { rule }: PreparedRoute,
  resources: Pick<Resources, "choice" | "facts">,
  request: TextRequest,
): Promise<RequestRule> {
  if ("threshold" in rule) return { decider: rule };
  const choice = await resources.choice("swift", rule, request);
  const { routes } = rule.certificate.pair!;
  // Dense has no route.
  const [route] = choice.recipe.flatMap((recipe) => routes[recipe] ?? []);
  if (route === undefined) return { decider: DENSE, choice: { ...choice, recipe: [] } };
  const options = parseRouteText(route);
  const scoring = scoringOf(options, await resources.facts("swift"));
  return { decider: { scoring, threshold: options.t! }, choice: { ...choice, recipe: [route] } };
}

/** The rule for dense: Super alone. */
const DENSE: Decider = { scoring: scoreOptions.parse({}), threshold: Number.POSITIVE_INFINITY, alone: true };
