/** Filling in the blanks of a text over HTTP. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, train } from "../index.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-infill-"));
const [text, modelPath] = ["text.txt", "made"].map((name) => path.join(folder, name)) as [string, string];
let server: Testing;
beforeAll(async () => {
  writeFileSync(text, "abc=abc;bd=bd;".repeat(40));
  const architecture = {
    ...{ model_type: "llama", hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1 },
    ...{ intermediate_size: 24, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
  };
  const sizes = { data: text, tokens: 24, batch: 1, steps: 1, evaluateEvery: 1, evaluateBatches: 1 };
  await train({ ...sizes, architecture, method: "ul2r:sentinels=8" }, { out: modelPath });
  server = await serveModels([TINY[0]!, `blanks=${modelPath}`]);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const request = {
  model: "blanks",
  prompt: "ab<extra_id_0>=abc;b<extra_id_1>;",
  temperature: 0,
  max_tokens: 8,
  infill: true,
};
const answer = (fields: object = {}) => post(server, "/v1/completions", { ...request, ...fields });

describe("a text with blanks", () => {
  test("comes back filled, as the library fills it", async () => {
    const { choices, usage, receipt } = await jsonOf(answer({ mode: "NLU" }));
    using model = await load(modelPath);
    const filled = await model.infill(request.prompt, { mode: "NLU", temperature: 0, maxTokens: 8 });
    expect(choices).toHaveLength(1);
    expect(choices[0]).toMatchObject({ text: filled.text, blanks: filled.blanks });
    expect(filled.text).toBe(`ab${filled.blanks[0]}=abc;b${filled.blanks[1]};`);
    // The mode, 9 letters, two blanks, and the final sentinel.
    expect([usage.prompt_tokens, receipt.tokens.prompt]).toEqual([13, 13]);
  });

  test("several texts and answers each have their own blanks", async () => {
    const { choices } = await jsonOf(
      answer({ prompt: [request.prompt, "a<extra_id_0>"], n: 2, temperature: 1, seed: 1 }),
    );
    expect(choices.map(({ blanks }: { blanks: string[] }) => blanks.length)).toEqual([2, 2, 1, 1]);
  });

  test.each([
    [{ prompt: "abc" }, /^the prompt has no blank/],
    [{ prompt: "a<extra_id_1>" }, /expected <extra_id_0>, got <extra_id_1>/],
    [{ prompt: [1, 2] }, /^prompt: expected texts, not token ids, with infill/],
    [{ stream: true }, /^stream: expected false with infill/],
    [{ echo: true }, /^echo: expected false with infill/],
    [{ suffix: "x" }, /^suffix: not supported with infill/],
    [{ mode: "XYZ" }, /^mode: /],
    [{ model: "tiny" }, /the model has no token <extra_id_0>/],
  ])("%j is refused", async (fields, message) => {
    const response = await answer(fields);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error.message).toMatch(message);
  });
});

test("a mode reads a plain text, also as a stream", async () => {
  const { usage } = await jsonOf(answer({ infill: false, mode: "S2S", prompt: "abc" }));
  expect(usage.prompt_tokens).toBe(4);
  const streamed = await answer({ infill: false, mode: "S2S", prompt: "abc", stream: true });
  expect(await streamed.text()).toContain("data: [DONE]");
});
