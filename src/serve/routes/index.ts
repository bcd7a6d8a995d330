import type { House } from "../house.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { chat } from "./chat.ts";
import { models, oneModel } from "./models.ts";
import { oneReceipt, receipts } from "./receipts.ts";
import { recipes, savings } from "./savings.ts";
import { health, metrics, ready } from "./status.ts";

/** Everything that the server does, one line each. */
export const endpointsOf = (house: House): Endpoint[] => [
  chat(house),
  models(house),
  oneModel(house),
  savings(),
  recipes(house),
  receipts(house),
  oneReceipt(house),
  health(),
  ready(house),
  metrics(house),
];
