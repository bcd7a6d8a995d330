import { z } from "zod";
import { faultOf } from "../../util/checked.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { scoreKinds, scoreOptions } from "../scores.ts";

/** Parses a number, `inf` or `-inf`; NaN for other texts. */
function thresholdOf(text: number | string): number {
  if (typeof text === "number") return text;
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text.trim());
  if (infinite) return infinite[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return text.trim() === "" ? Number.NaN : Number(text);
}

const threshold = z
  .union([z.number(), z.string()])
  .refine((text) => !Number.isNaN(thresholdOf(text)), "expected a number, inf or -inf")
  .transform(thresholdOf);

const labels = z
  .union([z.string(), z.array(z.string())])
  .transform((input) => (typeof input === "string" ? input.split("|") : input))
  .refine((all) => all.length > 1 && !all.includes(""), "expected two labels or more");

/** Options of a route, written after its models' names. */
export const routeOptions = z
  .strictObject({
    share: z.coerce
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("share of inputs for the larger model, by the pair's calibration"),
    t: threshold.optional().describe("threshold: inputs that score lower go to the larger model"),
    score: z.enum(scoreKinds).default("energy").describe(scoreOptions.shape.score.description!),
    temperature: scoreOptions.shape.temperature,
    aggregate: scoreOptions.shape.aggregate,
    labels: labels.optional().describe("a|b|…: labels of one token each; other logits are ignored"),
    seed: scoreOptions.shape.seed,
    auto: z.string().optional().describe("a certificate of `lab tune`, which sets all options for each request"),
    timeout: z.coerce
      .number()
      .positive()
      .optional()
      .describe("seconds for the larger model to begin; after that, the smaller model's answer is sent"),
  })
  .refine(({ share, t }) => share === undefined || t === undefined, {
    path: ["share"],
    error: "expected a share or a threshold, not both",
  });
export type RouteOptions = z.output<typeof routeOptions>;
export type RouteInput = z.input<typeof routeOptions>;

/** A pair of models as users write it: `A>B`, with options after a final `@`, or a certificate: `A>B@auto:mine`. */
export interface PairName {
  /** The name without its options. */
  readonly name: string;
  readonly swift: string;
  readonly super: string;
  /** The options as written: `share=0.3`; empty if none. */
  readonly optionText: string;
  readonly options: RouteOptions;
}

export const isPairName = (text: string): boolean => text.includes(">");

/**
 * Parses a pair's name; undefined for one model's name.
 * @throws UserError that says what is wrong with the name
 */
export function parsePair(text: string): PairName | undefined {
  if (!isPairName(text)) return undefined;
  const [, models = text, optionText = ""] = /^(.*)@(auto:[^@>]*|[^@>]*=[^@>]*)$/s.exec(text) ?? [];
  const names = models.split(">").map((name) => name.trim());
  if (names.length !== 2 || names.includes(""))
    throw new UserError(
      `"${text}" is not a pair of models, expected SWIFT>SUPER, such as smollm2>qwen2.5-coder@share=0.3`,
      2,
    );
  const [swift, strong] = names as [string, string];
  if (swift === strong) throw new UserError(`"${text}" names one model twice, expected two`, 2);
  return { name: `${swift}>${strong}`, swift, super: strong, optionText, options: parseRouteOptions(optionText) };
}

/** The prefix of a route's options among recipes: `route:share=0.3`. */
export const ROUTE = "route:";

/** Parses a route as it is written among recipes. */
export const parseRouteText = (text: string): RouteOptions => parseRouteOptions(text.slice(ROUTE.length));

const AUTO = "auto:";

/** Parses `share=0.3,score=margin`, or `auto:mine`. @throws UserError that names the option */
export function parseRouteOptions(text: string): RouteOptions {
  if (text.startsWith(AUTO)) return checkRouteOptions({ auto: text.slice(AUTO.length) });
  const pairs = text === "" ? [] : text.split(",").map(keyValue);
  const twice = pairs.find(([key], i) => pairs.findIndex(([other]) => other === key) !== i);
  if (twice) throw new UserError(`route: ${twice[0]} is set twice`, 2);
  return checkRouteOptions(Object.fromEntries(pairs));
}

function keyValue(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new UserError(`route: expected key=value after the @, got "${text}"`, 2);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** @throws UserError that names the option */
export function checkRouteOptions(values: unknown): RouteOptions {
  const result = routeOptions.safeParse(values);
  if (result.success) {
    if (result.data.auto !== undefined && Object.keys(values as object).length > 1)
      throw new UserError("route: a certificate sets all options; expected no other option with auto", 2);
    return result.data;
  }
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    throw new UserError(`route: there is no option "${key}"${suggest(key, Object.keys(routeOptions.shape))}`, 2);
  }
  const { path, reason } = faultOf(result.error, values);
  throw new UserError(`route: ${path.join(".")}: ${reason}`, 2);
}

/** Parses `router-energy-0.42`, a score and a threshold for a known pair, as in lm-sys/RouteLLM. */
export function parseRouter(text: string): Pick<RouteOptions, "score" | "t"> | undefined {
  const [, score, t] = /^router-([a-z-]+?)-(-?(?:\d+(?:\.\d+)?|inf))$/.exec(text) ?? [];
  return score === undefined ? undefined : checkRouteOptions({ score, t });
}
