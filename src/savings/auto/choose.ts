import { UserError } from "../../util/errors.ts";
import type { PlanRequest } from "../plan.ts";
import type { Certificate, Price } from "./certificate.ts";
import type { Budget, Cost, RequestFacts, Unguaranteed } from "./guarantee.ts";
import { rungsAt } from "./ladder.ts";

/** A recipe of the ladder, as text, or dense and the reason why there is no guarantee. */
export type Chosen = { readonly recipe: string; readonly cost: Cost } & (
  | { readonly reason: undefined }
  | { readonly reason: Unguaranteed }
);

/**
 * The recipe of a request under a certificate: the cheapest that its ladder allows at this length or, under a budget, the one of
 * least loss that fits, else the cheapest. Outside of what was tested, dense.
 * @throws UserError if prompts are read or answers drawn in another way than those of the test
 */
export function choose(name: string, certificate: Certificate, request: PlanRequest): Chosen {
  const { facts } = request;
  const costOf = (recipe: string): Cost => costs(certificate, recipe, request);
  if (facts === undefined) return { recipe: "dense", cost: costOf("dense"), reason: "scored" };
  requireSame(name, certificate, facts);
  const reason = outside(certificate, request, facts);
  if (reason !== undefined) return { recipe: "dense", cost: costOf("dense"), reason };
  const rungs = rungsAt(certificate.ladder, request.prompt).map((recipe) => ({ recipe, cost: costOf(recipe) }));
  const by = certificate.cost.by === "flops" ? "flops" : "ms";
  const fitting = facts.budget === undefined ? [] : rungs.filter(({ cost }) => fits(cost, facts.budget!));
  const loss = ({ recipe }: { recipe: string }) => certificate.recipes[recipe]!.loss;
  const [best] =
    fitting.length > 0
      ? fitting.toSorted((a, b) => loss(a) - loss(b) || a.cost[by] - b.cost[by])
      : rungs.toSorted((a, b) => a.cost[by] - b.cost[by]);
  return { ...best!, reason: undefined };
}

const fits = ({ ms, flops }: Cost, budget: Budget): boolean =>
  ms <= (budget.ms ?? Number.POSITIVE_INFINITY) && flops <= (budget.flops ?? Number.POSITIVE_INFINITY);

function costs({ recipes, answer }: Certificate, recipe: string, { prompt, facts }: PlanRequest): Cost {
  const { ms, flops } = recipes[recipe]!;
  const length = Math.min(answer, facts?.maxTokens ?? answer);
  return { ms: priceAt(ms, prompt, length), flops: priceAt(flops, prompt, length) };
}

/** The price of a request with `prompt` tokens, none of them cached, and `answered` ones. */
export const priceAt = (price: Price, prompt: number, answered: number): number =>
  price.fixed + price.new * prompt + (price.attended * prompt * prompt) / 2 + price.answer * answered;

/** Why the test says nothing of a request, if it does not. */
function outside(
  { lengths: [least, most] }: Certificate,
  { prompt, visual }: PlanRequest,
  { form, constrained }: RequestFacts,
): Unguaranteed | undefined {
  if (form === undefined) return "ids";
  if (visual.length > 0) return "images";
  if (constrained) return "tools";
  return prompt < least || prompt > most ? "length" : undefined;
}

function requireSame(name: string, { prompt, sampling, adapter }: Certificate, facts: RequestFacts): void {
  const refuse = (what: string, held: unknown, wanted: unknown) => {
    throw new UserError(
      `auto:${name} was certified with ${what} ${held}, and this request has ${wanted}; tune for it`,
      2,
    );
  };
  if (facts.form !== undefined && facts.form !== prompt) refuse("prompts of the form", prompt, facts.form);
  if (adapter === undefined && facts.adapter !== undefined) refuse("no", "adapter", facts.adapter);
  for (const setting of new Set([...Object.keys(sampling), ...Object.keys(facts.sampling)]))
    if (sampling[setting] !== facts.sampling[setting])
      refuse(setting, sampling[setting] ?? "off", facts.sampling[setting] ?? "none");
}
