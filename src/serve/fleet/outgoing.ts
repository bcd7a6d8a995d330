import { checkCeiling } from "../../engine/bill/price.ts";
import type { Shape } from "../../engine/bill/shape.ts";
import type { CutReason } from "../../engine/decode/answer/cut.ts";
import type { JsonObject } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";
import { isRegisteredName, leastOf, type Terms } from "../keys/terms.ts";
import type { Limits } from "../limits.ts";
import { fieldsFor, type ReceivedRequest } from "./fields.ts";
import type { Destination } from "./fleet.ts";
import { LENGTHS } from "./lengths.ts";
import { guessedTokens, type RequestSize } from "./request-size.ts";

/** A forwarded request, and the limit of this server or key, if any, that shortens its answers. */
export interface ForwardedRequest {
  readonly body: JsonObject;
  readonly cut: CutReason | undefined;
}

/** Builds the forwarded request, within the limits of this server and the key. @throws HttpError */
export function forwarded(
  { remote, model }: Destination,
  path: string,
  request: ReceivedRequest,
  size: RequestSize,
  limits: Limits,
  terms: Terms | undefined,
): ForwardedRequest {
  const { name, kind, shape } = remote.options;
  const {
    savings,
    max_flops: flops,
    keep_alive: keepAlive,
    ...rest
  } = fieldsFor(remote.options, path, request, limits);
  // Indexes exist only on this server.
  if (path === "/v1/chat/completions" && rest["retrieval"])
    throw new HttpError(400, `retrieval: ${name} runs on other servers, but the indexes are on this one`, {
      param: "retrieval",
    });
  const most = leastOf(numberOf(flops), terms?.maxFlops);
  const named = { ...rest, model, ...(rest["stream"] === true && withUsage(rest)) };
  const bound = size.generates ? boundOf(path, rest, limits) : undefined;
  if (kind === "modicum") {
    const own = savings ? { savings } : model === remote.options.model ? usual(terms?.recipe ?? [], name, model) : {};
    return capped(
      { ...named, ...own, ...(keepAlive !== undefined && { keep_alive: keepAlive }), ...(most && { max_flops: most }) },
      bound,
      [["tokens", leastOf(limits.maxTokens, terms?.maxTokens)]],
    );
  }
  if (Array.isArray(savings) && savings.length > 0)
    throw new HttpError(400, `savings: ${name} runs on servers without savings; omit savings`, {
      param: "savings",
    });
  if (shape && !size.generates) checkCeiling({ flops: most }, () => shape.read(size.parts, guessedTokens(size)).flops);
  const within = most && shape && bound && tokensWithin(shape, size, most, bound.tokens ?? limits.maxTokens);
  return capped(named, bound, [
    ["tokens", leastOf(limits.maxTokens, terms?.maxTokens)],
    ["flops", within || undefined],
  ]);
}

const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

/** Usage is always requested from the servers. */
const withUsage = ({ stream_options: options }: JsonObject) => ({
  stream_options: { ...(options as JsonObject | null | undefined), include_usage: true },
});

/** The fields for a key's default recipe: the model's name with a registered recipe, or `savings`. */
function usual(recipe: readonly string[], name: string, model: string): JsonObject {
  const named = recipe.find((text) => text.startsWith(`${name}@`));
  if (named !== undefined) return { model: model + named.slice(name.length) };
  const savings = recipe.filter((text) => !isRegisteredName(text));
  return savings.length > 0 ? { savings } : {};
}

interface TokenLimit {
  /** The maximum tokens per answer; for a chat without a limit, this server's maximum. */
  readonly tokens: number | undefined;
}

const boundOf = (
  path: string,
  { max_tokens: most, max_completion_tokens: more }: JsonObject,
  { maxTokens }: Limits,
): TokenLimit => ({
  tokens: numberOf(more) ?? numberOf(most) ?? (path === "/v1/chat/completions" ? maxTokens : undefined),
});

/** OpenAI's default for completions. */
const USUAL_TOKENS = 16;

/**
 * Sets `max_tokens`, the length field all servers know, to the requested length or a smaller ceiling; also returns
 * which ceiling applied, if any.
 */
function capped(
  body: JsonObject,
  bound: TokenLimit | undefined,
  ceilings: readonly (readonly [CutReason, number | undefined])[],
): ForwardedRequest {
  if (!bound) return { body, cut: undefined };
  const tokens = bound.tokens ?? USUAL_TOKENS;
  const [lowest] = ceilings
    .flatMap(([cut, most]) => (most !== undefined && most < tokens ? [{ cut, most }] : []))
    .sort((a, b) => a.most - b.most);
  const most = lowest?.most ?? bound.tokens;
  const rest = Object.fromEntries(Object.entries(body).filter(([field]) => !LENGTHS.includes(field)));
  return { body: most === undefined ? rest : { ...rest, max_tokens: most }, cut: lowest?.cut };
}

/**
 * The maximum tokens per answer, at least one, such that all answers together cost at most `flops`. The prompt's length
 * is estimated.
 */
function tokensWithin(shape: Shape, size: RequestSize, flops: number, tokens: number): number {
  const cost = (each: number) =>
    shape.generated({ prompt: guessedTokens(size), cached: 0, completion: each * size.parts, answers: size.parts })
      .flops;
  let [low, high] = [1, tokens];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (cost(middle) <= flops) low = middle;
    else high = middle - 1;
  }
  return low;
}
