import { billedAs, rankModelOf } from "../../library/rerank-pipeline.ts";
import { type Reranked, rerank } from "../../pipelines/first/first.ts";
import { presortModel } from "../../pipelines/first/options.ts";
import { scoresByRank } from "../../pipelines/first/order.ts";
import { WindowRanker } from "../../pipelines/first/window.ts";
import type { Bill } from "../bill.ts";
import type { Call } from "../http/endpoint.ts";
import { leastOf } from "../keys/terms.ts";
import type { ChosenRanker } from "../models/rankers.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";

interface LetterRerankRequest {
  readonly query: string;
  readonly texts: readonly string[];
  readonly max_flops?: number | null | undefined;
}

/** Ranks texts by the logits of letters; the scores are by text. @throws HttpError, UserError */
export async function rerankByLetters(
  context: ServerContext,
  chosen: ChosenRanker,
  call: Call,
  asked: LetterRerankRequest,
) {
  const { notice } = chosen;
  if (notice !== undefined && context.catalogue.isNew(notice)) context.log.warn(notice);
  using bill = billFor(context, chosen.ranks.served.id, call);
  // It gives its model back before the other is asked for: a request that held both could wait for itself.
  const presorted = await presort(context, chosen, call, asked, bill);
  const { order, receipt } = await ranked(context, chosen, call, asked, { bill, presorted });
  bill.add(receipt);
  return { scores: scoresByRank(order), receipt: bill.close("stop") };
}

type Presorted = Awaited<ReturnType<typeof presort>>;

async function ranked(
  context: ServerContext,
  { named, ranks }: ChosenRanker,
  call: Call,
  { query, texts, max_flops }: LetterRerankRequest,
  { bill, presorted }: { bill: Bill; presorted: Presorted },
): Promise<Reranked> {
  using lease = await leaseFor(context, ranks, call).catch((error) => {
    if (presorted) bill.add(presorted.receipt);
    throw error;
  });
  const ranker = new WindowRanker(rankModelOf(lease.model, ranks.recipe), named.options);
  return await rerank(ranker, query, texts, named.options, {
    ...bill.terms,
    signal: call.signal,
    ceiling: leastOf(max_flops, call.key?.terms.maxFlops),
    named: billedAs(named),
    presorter: presorted && { relevance: async () => presorted },
  });
}

/** Scores of the encoder, if one presorts. */
async function presort(
  context: ServerContext,
  { named, presorts }: ChosenRanker,
  call: Call,
  { query, texts, max_flops }: LetterRerankRequest,
  bill: Bill,
) {
  if (presortModel(named.options) === undefined) return undefined;
  const chosen = await presorts();
  if (texts.length === 1) return undefined;
  using lease = await leaseFor(context, chosen, call);
  const ceiling = { flops: leastOf(max_flops, call.key?.terms.maxFlops) };
  return await lease.model.relevance(query, texts, { ...bill.terms, signal: call.signal, ceiling });
}
