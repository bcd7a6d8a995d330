import { UserError } from "../../util/errors.ts";
import type { PlanRequest } from "../plan.ts";
import type { Certificate, Price } from "./certificate.ts";
import type { Budget, Choice, Cost, RequestFacts, UnguaranteedReason } from "./guarantee.ts";
import { rungsAt } from "./ladder.ts";

/** A recipe of the ladder as text; or dense, with the reason why the answer has no guarantee. */
export type RecipeChoice = Pick<Choice, "maxTokens"> & { readonly recipe: string; readonly cost: Cost } & (
    | { readonly reason: undefined }
    | { readonly reason: UnguaranteedReason }
  );

/** The number of prompt tokens cached for a recipe. */
type CachedUnder = (recipe: string) => number;

/**
 * The recipe for a request under a certificate: the cheapest that the ladder allows at this length. Under a budget, it
 * is the recipe with the least loss among those that fit, else the cheapest. Outside the tested range, it is dense.
 * @throws UserError if `strict` is set and the prompt form or sampling differs from the test's
 */
export function choose(
  name: string,
  certificate: Certificate,
  request: PlanRequest,
  strict = true,
  cachedUnder: CachedUnder = () => 0,
): RecipeChoice {
  const { facts } = request;
  const costOf = (recipe: string, of = request): Cost => costs(certificate, recipe, of, cachedUnder(recipe));
  if (facts === undefined) return { recipe: "dense", cost: costOf("dense"), reason: "scored" };
  const difference = differenceOf(certificate, facts);
  if (difference !== undefined && strict)
    throw new UserError(
      `auto:${name} was certified ${difference.sentence}; tune for this case, or name a different recipe`,
      2,
    );
  const limited = limitedBy(certificate, facts);
  const reason = difference?.reason ?? outside(certificate, request, limited);
  if (reason !== undefined) return { recipe: "dense", cost: costOf("dense"), reason };
  const bounded = { ...request, facts: limited };
  const rungs = rungsAt(certificate.ladder, request.prompt).map((recipe) => ({
    recipe,
    cost: costOf(recipe, bounded),
  }));
  const by = measureOf(certificate, facts.budget);
  const price = ({ recipe }: { recipe: string }) => costIn(by, certificate, recipe, bounded, cachedUnder(recipe));
  const fitting = facts.budget === undefined ? [] : rungs.filter(({ cost }) => fits(cost, facts.budget!));
  const loss = ({ recipe }: { recipe: string }) => certificate.recipes[recipe]!.loss;
  const [best] =
    fitting.length > 0
      ? fitting.toSorted((a, b) => loss(a) - loss(b) || price(a) - price(b))
      : rungs.toSorted((a, b) => price(a) - price(b));
  return { ...best!, reason: undefined, ...(limited !== facts && { maxTokens: limited.maxTokens }) };
}

/** Applies the certificate's token limit to a request that sets no limit, if the default is higher. */
const limitedBy = ({ maxTokens: cutAt }: Certificate, facts: RequestFacts): RequestFacts =>
  facts.defaultLength && cutAt !== undefined && cutAt < facts.maxTokens ? { ...facts, maxTokens: cutAt } : facts;

const fits = ({ ms, flops }: Cost, budget: Budget): boolean =>
  ms <= (budget.ms ?? Number.POSITIVE_INFINITY) && flops <= (budget.flops ?? Number.POSITIVE_INFINITY);

type Measure = Certificate["cost"]["by"];

/** Compares costs by the certificate's measure or, under a budget, by the budget's. */
function measureOf({ cost: { by } }: Certificate, budget: Budget | undefined): Measure {
  if (budget === undefined || (by !== "bytes" && budget[by] !== undefined)) return by;
  return budget.ms === undefined ? "flops" : "ms";
}

type PriceTerms = [certificate: Certificate, recipe: string, request: PlanRequest, cached: number];

/**
 * The expected cost of a request with a recipe if `cached` prompt tokens are cached. The answer is taken to have the
 * length that most answers do not exceed.
 */
export const costs = (...request: PriceTerms): Cost => ({
  ms: costIn("ms", ...request),
  flops: costIn("flops", ...request),
});

function costIn(by: Measure, ...[{ recipes, answer }, recipe, { prompt, facts }, cached]: PriceTerms): number {
  return priceAt(recipes[recipe]![by], prompt, Math.min(answer, facts?.maxTokens ?? answer), cached);
}

/** The price of a request with `prompt` tokens, `cached` of them in the cache, and `answered` answer tokens. */
export function priceAt(price: Price, prompt: number, answered: number, cached = 0): number {
  const fresh = prompt - cached;
  return price.fixed + price.new * fresh + price.attended * fresh * (cached + fresh / 2) + price.answer * answered;
}

/** The reason why a request is outside the test's range; undefined if it is inside. */
function outside(
  { lengths: [least, most], maxTokens: cutAt }: Certificate,
  { prompt, visual }: PlanRequest,
  { form, constrained, maxTokens }: RequestFacts,
): UnguaranteedReason | undefined {
  if (form === undefined) return "ids";
  if (visual.length > 0) return "images";
  if (constrained) return "tools";
  if (prompt < least || prompt > most) return "length";
  return cutAt !== undefined && maxTokens > cutAt ? "max_tokens" : undefined;
}

interface Difference {
  readonly reason: UnguaranteedReason;
  readonly sentence: string;
}

/** The difference in prompt form or sampling from the test; undefined if they are equal. */
function differenceOf({ prompt, sampling, adapter }: Certificate, facts: RequestFacts): Difference | undefined {
  if (facts.form !== undefined && facts.form !== prompt)
    return { reason: "form", sentence: `with prompts of the form ${prompt}, but this request's is ${facts.form}` };
  if (facts.adapter !== adapter)
    return { reason: "adapter", sentence: `with ${named(adapter)}, but this request's is ${named(facts.adapter)}` };
  const settings = [...new Set([...Object.keys(sampling), ...Object.keys(facts.sampling)])];
  const other = settings.find((setting) => sampling[setting] !== facts.sampling[setting]);
  if (other === undefined) return undefined;
  const [held, actual] = [sampling[other] ?? "off", facts.sampling[other] ?? "off"];
  return { reason: "sampling", sentence: `with ${other} ${held}, but this request's is ${actual}` };
}

/** An adapter's name, or the start of its hash. */
const named = (adapter: string | undefined): string => (adapter ? `the adapter ${adapter.slice(0, 12)}` : "no adapter");
