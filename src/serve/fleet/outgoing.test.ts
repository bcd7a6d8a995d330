import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { shapeOf } from "../../engine/bill/shape.ts";
import type { JsonObject } from "../../weights/json.ts";
import { termsSchema } from "../keys/terms.ts";
import { limitOptions } from "../limits.ts";
import { createLog } from "../log.ts";
import { type RemoteOptions, remoteFromText } from "./file.ts";
import { forwarded } from "./outgoing.ts";
import { Remote } from "./remote.ts";
import { requestSizeOf } from "./request-size.ts";

const config = new URL("../../models/fixtures/llama-yarn/config.json", import.meta.url);
const shape = await shapeOf(JSON.parse(readFileSync(config, "utf8")), "config.json");
const base = { ...remoteFromText("small=http://127.0.0.1:1"), model: "theirs" };
const limits = limitOptions.parse({ maxTokens: 100 });
const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "x".repeat(36) }];

/** The request that a server receives for `body`, a chat by default. */
function sent(kind: RemoteOptions["kind"], body: JsonObject, terms: object = {}, recipe = "", path = CHAT) {
  const remote = new Remote(
    { ...base, kind, shape },
    { send: () => Promise.reject(), close: async () => {} },
    createLog({ write() {} }),
  );
  const request = path === CHAT ? { messages, ...body } : body;
  const size = requestSizeOf(path, request, kind)!;
  const { body: got, cut } = forwarded(
    { remote, model: `theirs${recipe}` },
    path,
    { body: request, input: request },
    size,
    limits,
    termsSchema.parse(terms),
  );
  const { messages: _, ...rest } = got;
  return { ...rest, cut };
}

describe("a key's terms apply to models on other servers", () => {
  test.each(["openai", "modicum"] as const)("%s: tokens", (kind) => {
    expect(sent(kind, {})).toMatchObject({ model: "theirs", max_tokens: 100, cut: undefined });
    expect(sent(kind, { max_tokens: 50 }, { maxTokens: 9 })).toMatchObject({ max_tokens: 9, cut: "tokens" });
    const five = sent(kind, { max_completion_tokens: 5, max_tokens: 50 }, { maxTokens: 9 });
    expect(five).toEqual({ model: "theirs", max_tokens: 5, cut: undefined });
    const prompt = { prompt: "abc" };
    expect(sent(kind, prompt, {}, "", "/v1/completions")).toEqual({ model: "theirs", prompt: "abc", cut: undefined });
    expect(sent(kind, prompt, { maxTokens: 9 }, "", "/v1/completions")).toMatchObject({ max_tokens: 9, cut: "tokens" });
  });

  test("keep_alive goes only to a Modicum", () => {
    expect(sent("modicum", { keep_alive: "5m" })).toMatchObject({ keep_alive: "5m" });
    expect(sent("openai", { keep_alive: "5m" })).not.toHaveProperty("keep_alive");
  });

  test("FLOPs: a Modicum gets the limit, for others the shape converts it to tokens", () => {
    const cost = (completion: number) => shape.generated({ prompt: 10, cached: 0, completion, answers: 1 }).flops;
    expect(sent("modicum", { max_flops: 5e9 }, { maxFlops: 4e9 })).toMatchObject({ max_flops: 4e9, max_tokens: 100 });
    expect(sent("openai", { max_flops: cost(7) })).toMatchObject({ max_tokens: 7, cut: "flops" });
    expect(sent("openai", {}, { maxFlops: cost(7) - 1 })).toMatchObject({ max_tokens: 6, cut: "flops" });
    expect(sent("openai", { max_flops: 1 })).toMatchObject({ max_tokens: 1, cut: "flops" });
    expect(sent("openai", { max_flops: 1e18 })).toEqual({ model: "theirs", max_tokens: 100, cut: undefined });
  });

  test("FLOPs of texts to read: a Modicum gets the limit, for others the shape estimates them", () => {
    const body = { input: "x".repeat(40) };
    const price = shape.read(1, 10).flops;
    const embed = (kind: RemoteOptions["kind"], maxFlops: number) =>
      sent(kind, body, { maxFlops }, "", "/v1/embeddings");
    expect(embed("modicum", 5)).toMatchObject({ max_flops: 5 });
    expect(embed("openai", price)).not.toHaveProperty("max_flops");
    expect(() => embed("openai", price / 2)).toThrow(
      `cost ${price.toExponential(3)} FLOPs, and the ceiling is ${(price / 2).toExponential(3)}`,
    );
  });

  test("more tokens than this server allows are cut to its limit", () => {
    for (const kind of ["openai", "modicum"] as const) {
      expect(sent(kind, { max_tokens: 101 })).toMatchObject({ max_tokens: 100, cut: "tokens" });
      expect(sent(kind, { max_tokens: 101 }, { maxTokens: 7 })).toMatchObject({ max_tokens: 7, cut: "tokens" });
      expect(sent(kind, { max_tokens: 100 })).toMatchObject({ max_tokens: 100, cut: undefined });
    }
  });

  test("the default recipe goes to a Modicum if the request names none", () => {
    const terms = { recipe: ["other@fast", "xattention"] };
    expect(sent("modicum", {}, terms)).toMatchObject({ model: "theirs", savings: ["xattention"] });
    expect(sent("modicum", {}, { recipe: ["small@fast"] })).toMatchObject({ model: "theirs@fast" });
    expect(sent("modicum", { savings: [] }, terms)).toMatchObject({ model: "theirs", savings: [] });
    expect(sent("modicum", {}, terms, "@slow")).not.toHaveProperty("savings");
    expect(sent("modicum", {})).not.toHaveProperty("savings");
    expect(sent("openai", {}, terms)).not.toHaveProperty("savings");
  });
});
