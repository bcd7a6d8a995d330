import { isObject, type JsonObject } from "../../weights/json.ts";
import type { RemoteOptions } from "./file.ts";

/** The parts of a request that determine its cost. */
export interface RequestSize {
  readonly generates: boolean;
  /** The number of answers, or of texts to read. */
  readonly parts: number;
  /** The input's length in characters. */
  readonly characters: number;
}

/** Characters per token, roughly, for texts whose tokens have not been counted. */
const CHARACTERS = 4;

export const guessedTokens = ({ characters }: RequestSize): number => Math.ceil(characters / CHARACTERS);

const ranking = ({ query, documents }: JsonObject): RequestSize => ({
  generates: false,
  parts: several(documents),
  characters: charactersIn(documents) + several(documents) * charactersIn(query),
});
const reading = ({ input }: JsonObject): RequestSize => ({
  generates: false,
  parts: several(input),
  characters: charactersIn(input) + CHARACTERS * idsIn(input),
});

/** Functions that size a request, by forwarded endpoint. */
const sizes: Readonly<Record<string, (body: JsonObject) => RequestSize>> = {
  "/v1/chat/completions": (body) => generation(body, withoutImages(body["messages"]), 1),
  "/v1/completions": (body) => generation(body, body["prompt"], several(body["prompt"])),
  "/v1/embeddings": reading,
  "/v1/rerank": ranking,
  "/v2/rerank": ranking,
  "/v1/classify": reading,
};

/** Endpoints that servers with OpenAI's API lack, or define with different fields. */
const ofModicum = ["/v1/classify"];

/** A request's size; undefined if its endpoint is not forwarded to servers of this kind. */
export const requestSizeOf = (path: string, body: JsonObject, kind: RemoteOptions["kind"]): RequestSize | undefined =>
  kind !== "modicum" && ofModicum.includes(path) ? undefined : sizes[path]?.(body);

const several = (value: unknown): number => (Array.isArray(value) ? value.length : 1);

const generation = ({ n, best_of: best = n }: JsonObject, prompt: unknown, prompts: number): RequestSize => ({
  generates: true,
  parts: prompts * (typeof best === "number" ? best : 1),
  characters: charactersIn(prompt) + CHARACTERS * idsIn(prompt),
});

/** The number of token ids in a completion's prompts. */
const idsIn = (prompt: unknown): number =>
  Array.isArray(prompt) ? prompt.flat().filter((id) => typeof id === "number").length : 0;

/** A chat's turns without their images, whose token counts are unknown here. */
const withoutImages = (messages: unknown): unknown =>
  Array.isArray(messages) ? messages.filter(isObject).map((m) => ({ ...m, content: textsOf(m["content"]) })) : [];

const textsOf = (content: unknown): unknown =>
  Array.isArray(content) ? content.filter((part) => isObject(part) && part["type"] === "text") : content;

/** The number of characters in all of a value's strings. */
function charactersIn(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, inner) => sum + charactersIn(inner), 0);
}
