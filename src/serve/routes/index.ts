import type { Endpoint } from "../http/endpoint.ts";
import type { ServerContext } from "../server-context.ts";
import { answer } from "./answer.ts";
import { chat } from "./chat.ts";
import { classify } from "./classify.ts";
import { completions } from "./completions.ts";
import { docs } from "./docs.ts";
import { embed } from "./embed.ts";
import { embeddings } from "./embeddings.ts";
import { models, oneModel } from "./models.ts";
import { oneReceipt, receipts } from "./receipts.ts";
import { addRecipe, deleteRecipe, recipes } from "./recipes.ts";
import { recognize } from "./recognize.ts";
import { render } from "./render.ts";
import { rerank } from "./rerank.ts";
import { responses } from "./responses.ts";
import { savings } from "./savings.ts";
import { search } from "./search.ts";
import { health, metrics, ready } from "./status.ts";

/** All endpoints of the server, one per line. */
export function endpointsOf(context: ServerContext): Endpoint[] {
  const all = [
    chat(context),
    render(context),
    completions(context),
    responses(context),
    embeddings(context),
    ...embed(context),
    ...rerank(context),
    classify(context),
    recognize(context),
    search(context),
    answer(context),
    models(context),
    oneModel(context),
    savings(context),
    recipes(context),
    addRecipe(context),
    deleteRecipe(context),
    receipts(context),
    oneReceipt(context),
    health(),
    ready(context),
    metrics(context),
  ];
  return [...all, ...docs(all, context.version)];
}
