import type { JsonObject } from "../../weights/json.ts";

/** What is asked for, as far as it decides what it costs. */
export interface Order {
  readonly generates: boolean;
  /** Answers, or texts to read. */
  readonly parts: number;
  /** Characters of what is read. */
  readonly characters: number;
}

/** Characters of a token, roughly, where nobody has counted. */
const CHARACTERS = 4;

export const guessedTokens = ({ characters }: Order): number => Math.ceil(characters / CHARACTERS);

/** The endpoints that are passed on, and what their requests ask for. */
const orders: Readonly<Record<string, (body: JsonObject) => Order>> = {
  "/v1/chat/completions": (body) => generation(body, body["messages"], 1),
  "/v1/completions": (body) => generation(body, body["prompt"], several(body["prompt"])),
  "/v1/embeddings": ({ input }) => ({ generates: false, parts: several(input), characters: charactersIn(input) }),
  "/v1/rerank": ({ query, documents }) => ({
    generates: false,
    parts: several(documents),
    characters: charactersIn(documents) + several(documents) * charactersIn(query),
  }),
};

/** Undefined for an endpoint that is not passed on. */
export const orderOf = (path: string, body: JsonObject): Order | undefined => orders[path]?.(body);

const several = (value: unknown): number => (Array.isArray(value) ? value.length : 1);

const generation = ({ n }: JsonObject, prompt: unknown, prompts: number): Order => ({
  generates: true,
  parts: prompts * (typeof n === "number" ? n : 1),
  characters: charactersIn(prompt),
});

/** Of all texts in a value. */
function charactersIn(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, inner) => sum + charactersIn(inner), 0);
}
