import type { Certificate } from "../../savings/auto/certificate.ts";
import { type Ladder, recipesOf, rungsAt } from "../../savings/auto/ladder.ts";
import { mean } from "../../util/mean.ts";
import { median } from "../../util/median.ts";
import type { Part } from "../metric.ts";
import { bootstrap } from "../metrics/bootstrap.ts";
import { machine } from "../run/machine.ts";
import { fileHashes } from "../run/recipe-files.ts";
import type { KeptAnswers } from "./answers.ts";
import { recipeOf } from "./candidates.ts";
import { answered } from "./cheaper.ts";
import { costOf } from "./fit.ts";
import type { ServedItem } from "./items.ts";
import type { Verdict } from "./sequence.ts";
import type { Setup } from "./setup.ts";
import type { Cost, Times } from "./times.ts";
import type { Outcome } from "./tune.ts";

/**
 * The cost of answers under a certificate, as shares of dense's: medians over items, each run alternately with dense.
 */
export interface Shares extends Readonly<Record<Cost, number>> {
  readonly items: number;
}

/** The certificate of the chosen ladder, and its answers' measured cost. */
export async function certificateOf(
  setup: Setup,
  { search, test, verdicts }: Outcome<ServedItem>,
  chosen: Verdict,
  answers: KeptAnswers,
  times: Pick<Times, "fit" | "costs" | "pairs">,
  nats: number | undefined,
): Promise<{ certificate: Certificate; shares: Shares }> {
  const { identity, request, loss, problem, outlook } = setup;
  const { ladder } = chosen;
  const recipes = ["dense", ...recipesOf(ladder)];
  const all = [...search, ...test];
  const meanLoss = (recipe: string) => mean(all.flatMap((item) => answers.held(recipe, item)?.loss ?? []));
  const ratedOf = (recipe: string) => ({
    loss: recipe === "dense" ? 0 : meanLoss(recipe),
    ...{ ms: times.fit(recipe, "ms"), flops: times.fit(recipe, "flops"), bytes: times.fit(recipe, "bytes") },
  });
  const fits = new Map(recipes.map((recipe) => [recipe, times.fit(recipe, request.options.cost)]));
  const answerTokens = all.flatMap((item) => answers.held("dense", item)?.tokens ?? []).toSorted((a, b) => a - b);
  const answer = answerTokens[Math.ceil(0.9 * answerTokens.length) - 1]!;
  const cheapest = (tokens: number) =>
    rungsAt(ladder, tokens).reduce((a, b) =>
      costOf(fits.get(b)!, tokens, answer) < costOf(fits.get(a)!, tokens, answer) ? b : a,
    );
  const medians = (by: Cost) => ({
    dense: median(times.costs(() => "dense", by)),
    chosen: median(times.costs(cheapest, by).filter(Number.isFinite)),
  });
  const ratios = (by: Cost) => answered(times.pairs(cheapest, by)).map(({ saved, dense }) => [saved / dense]);
  const ms = ratios("ms");
  const qualities = test.flatMap((item) => answers.held("dense", item)?.quality ?? []);
  const lengths = test.map(({ tokens }) => tokens);
  const maxTokens = cutLimit(ladder, test, answers);
  const savings = request.pair ? [] : recipesOf(ladder).map(recipeOf);
  const files = Object.assign({}, ...(await Promise.all(savings.map(fileHashes))));
  const certificate: Certificate = {
    ladder: copied(ladder),
    ...{ risk: problem.bound.risk, confidence: request.options.confidence, loss, type: problem.type },
    items: { search: search.length, test: test.length, groups: outlook.test },
    ...{ attempt: setup.attempt, p: chosen.p, mean: chosen.mean },
    ...(nats !== undefined && { nats }),
    ...(qualities.length > 0 && { quality: mean(qualities) }),
    order: verdicts.map(({ ladder, p, mean, certified }) => ({
      ladder: copied(ladder),
      ...{ p, mean, certified },
    })),
    recipes: Object.fromEntries(recipes.map((recipe) => [recipe, ratedOf(recipe)])),
    cost: {
      by: request.options.cost,
      ms: { ...medians("ms"), ci95: bootstrap(ms, medianOf, { seed: 0 }).ci95 },
      ...{ flops: medians("flops"), bytes: medians("bytes") },
    },
    ...{
      lengths: [Math.min(...lengths), Math.max(...lengths)],
      answer,
      ...(maxTokens !== undefined && { maxTokens }),
      model: identity.model_hash,
    },
    ...{ form: identity.form as Certificate["form"], codes: identity.codes, prompt: setup.items.prompt },
    ...{ sampling: identity.sampling, ...(identity.adapter !== undefined && { adapter: identity.adapter }) },
    ...(Object.keys(files).length > 0 && { files }),
    task: { name: identity.task, hash: identity.items_hash },
    ...{ machine: machine(), modicum: request.version, created: new Date().toISOString() },
  };
  const [flops, bytes] = [medianOf(ratios("flops")), medianOf(ratios("bytes"))];
  return { certificate, shares: { items: ms.length, ms: medianOf(ms), flops, bytes } };
}

const copied = (ladder: Ladder): Certificate["ladder"] =>
  ladder.map(({ tokens: [from, to], rungs }) => ({ tokens: [from, to], rungs: [...rungs] }));

const medianOf = (parts: readonly Part[]): number => median(parts.map(([value]) => value!));

/** The lowest token limit at which an answer in the test, dense's or the ladder's, was cut. */
function cutLimit(ladder: Ladder, test: readonly ServedItem[], answers: KeptAnswers): number | undefined {
  const limits = test
    .filter((item) => ["dense", ...rungsAt(ladder, item.tokens)].some((recipe) => answers.held(recipe, item)?.cut))
    .map(({ maxTokens }) => maxTokens);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}
