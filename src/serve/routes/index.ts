import type { House } from "../house.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { chat } from "./chat.ts";
import { classify } from "./classify.ts";
import { completions } from "./completions.ts";
import { docs } from "./docs.ts";
import { embed } from "./embed.ts";
import { embeddings } from "./embeddings.ts";
import { models, oneModel } from "./models.ts";
import { oneReceipt, receipts } from "./receipts.ts";
import { addRecipe, deleteRecipe, recipes } from "./recipes.ts";
import { rerank } from "./rerank.ts";
import { responses } from "./responses.ts";
import { savings } from "./savings.ts";
import { health, metrics, ready } from "./status.ts";

/** Everything that the server does, one line each. */
export function endpointsOf(house: House): Endpoint[] {
  const all = [
    chat(house),
    completions(house),
    responses(house),
    embeddings(house),
    ...embed(house),
    ...rerank(house),
    classify(house),
    models(house),
    oneModel(house),
    savings(),
    recipes(house),
    addRecipe(house),
    deleteRecipe(house),
    receipts(house),
    oneReceipt(house),
    health(),
    ready(house),
    metrics(house),
  ];
  return [...all, ...docs(all, house.version)];
}
