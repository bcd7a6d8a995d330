import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonOf, serveModels, type Testing } from "./serve.testing.ts";

/**
 * Gemma's vocabulary writes spaces as ▁, several as one token, and characters without a token as bytes, `<0xF0>` and so
 * on.
 */
let server: Testing;
beforeAll(async () => {
  server = await serveModels(["gemma3"]);
});
afterAll(() => server.stop(0));

const schema = (of: object) => ({
  response_format: { type: "json_schema", json_schema: { name: "x", schema: of } },
});
async function completed(body: object) {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify({ model: "gemma3", max_tokens: 64, ...body }) };
  const { choices } = await jsonOf(fetch(`${server.url}/v1/completions`, init));
  return choices[0] as { text: string; finish_reason: string; logprobs: { tokens: string[] } | null };
}

describe("an answer under a schema, with a SentencePiece vocabulary", () => {
  test("is JSON of that schema", async () => {
    const properties = {
      city: { enum: ["Kyoto", "Tokyo", "Osaka"] },
      people: { type: "integer", maximum: 99_999_999 },
    };
    const { text, finish_reason } = await completed({
      prompt: "The capital of Japan and how many people live there, as JSON:\n",
      temperature: 0,
      ...schema({ type: "object", properties, required: ["city", "people"], additionalProperties: false }),
    });
    expect(finish_reason).toBe("stop");
    expect(JSON.parse(text)).toEqual({ city: "Tokyo", people: expect.any(Number) });
  });

  test.each(["two  spaces, then three   ", " one before", "▁ is also a character", "<0x41> is six", "tab\\tand\nline"])(
    "can be forced to be %j, space by space",
    async (value) => {
      const { text, finish_reason } = await completed({
        prompt: "Say:\n",
        temperature: 0,
        ...schema({ const: value }),
      });
      expect([JSON.parse(text), finish_reason]).toEqual([value, "stop"]);
    },
  );

  test("writes characters that the vocabulary lacks byte by byte", async () => {
    const { text, logprobs } = await completed({
      prompt: "Say:\n",
      temperature: 0,
      logprobs: 0,
      ...schema({ const: "é ☃ 𓀀𓂀" }),
    });
    expect(JSON.parse(text)).toBe("é ☃ 𓀀𓂀");
    // Half a character by itself is not text.
    expect(logprobs!.tokens.filter((token) => /^bytes:\\x[0-9a-f]{2}$/.test(token)).length).toBeGreaterThanOrEqual(8);
  });

  test("never ends within a character, whatever is drawn", async () => {
    const pattern = "^[\\u{13000}-\\u{130ff}☃ ]{4,6}$";
    for (const seed of [1, 2, 3]) {
      const { text } = await completed({
        prompt: "Say:\n",
        ...{ temperature: 2, seed },
        ...schema({ type: "string", pattern }),
      });
      expect(JSON.parse(text)).toMatch(new RegExp(pattern, "u"));
    }
  });
});
