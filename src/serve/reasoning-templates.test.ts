/** Reasoning options of requests, in the chat templates of Qwen3 and SmolLM3. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reciter } from "../engine/decode/channels/reciter.testing.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const SPECIAL = ["<|im_end|>", "<|im_start|>", "<think>", "</think>"];
const SCRIPT = ["<think>", "\nTwo and", " two is", " four.\n", "</think>", "\n\nIt", " is 4"];

/** Qwen3's published template, from tools/reference/tokenizer_models.py. */
const QWEN3: string = JSON.parse(
  gunzipSync(readFileSync(new URL("../weights/tokenizer/fixtures/models/qwen3.json.gz", import.meta.url))).toString(),
).config.chat_template;

/** A shortened copy of the published template: its switch, its mode in the system turn, and its empty reasoning. */
const SMOLLM3 = `{%- set mode = "/no_think" if enable_thinking is false else "/think" -%}
{%- if messages[0].role == "system" and "/no_think" in messages[0].content -%}{%- set mode = "/no_think" -%}{%- endif -%}
{{- "<|im_start|>system\\n## Metadata\\n\\nReasoning Mode: " ~ mode ~ "\\n\\n<|im_end|>\\n" -}}
{%- for message in messages if message.role != "system" -%}
{{- "<|im_start|>" ~ message.role ~ "\\n" -}}
{%- if message.role == "assistant" and mode == "/no_think" -%}{{- "<think>\\n\\n</think>\\n" -}}{%- endif -%}
{{- message.content ~ "<|im_end|>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- "<|im_start|>assistant\\n" -}}
{%- if mode == "/no_think" -%}{{- "<think>\\n\\n</think>\\n" -}}{%- endif -%}
{%- endif -%}`;

const folder = mkdtempSync(path.join(tmpdir(), "modicum-templates-"));
let server: Testing;
beforeAll(async () => {
  const files = Object.entries({ qwen3: QWEN3, smollm3: SMOLLM3 }).map(([name, template]) => {
    const file = path.join(folder, `${name}.gguf`);
    writeFileSync(file, reciter({ template, script: SCRIPT, special: SPECIAL }));
    return file;
  });
  server = await serveModels(files);
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

const user = { role: "user", content: "2 + 2?" };
const send = async (route: string, model: string, more: object) =>
  jsonOf(
    post(server, `/v1/chat/completions${route}`, { model, messages: [user], temperature: 0, max_tokens: 60, ...more }),
  );
const answer = async (model: string, more: object = {}) => (await send("", model, more)).choices[0].message;
/** A chat's prompt decoded to text. Each token is a byte or a special token; the script adds two special tokens. */
async function prompt(model: string, more: object = {}): Promise<string> {
  const { token_ids } = await send("/render", model, more);
  const special = [...SPECIAL, "<think>", "</think>"];
  return token_ids.map((id: number) => (id < 256 ? String.fromCharCode(id) : special[id - 256])).join("");
}

describe.each(["qwen3", "smollm3"])("%s", (model) => {
  test("reasons unless the request says otherwise", async () => {
    expect(await prompt(model)).toMatch(/2 \+ 2\?<\|im_end\|>\n<\|im_start\|>assistant\n$/);
    expect(await prompt(model, { reasoning_effort: "high" })).toBe(await prompt(model));
    expect(await answer(model)).toMatchObject({ content: "It is 4", reasoning_content: "Two and two is four." });
  });

  test.each([{ reasoning_effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }])(
    "%j closes the reasoning in the prompt",
    async (more) => {
      expect(await prompt(model, more)).toMatch(/assistant\n<think>\n\n<\/think>\n+$/);
    },
  );

  test("a budget ends the reasoning", async () => {
    expect(await answer(model, { thinking_token_budget: 2 })).toMatchObject({ reasoning_content: "Two and two is" });
    expect(await answer(model, { thinking_token_budget: 0 })).not.toHaveProperty("reasoning_content");
  });
});

test("smollm3: /no_think in the system's message is the same switch", async () => {
  const messages = [{ role: "system", content: "/no_think" }, user];
  expect(await prompt("smollm3", { messages })).toBe(await prompt("smollm3", { reasoning_effort: "none" }));
});

test("qwen3: reasoning of an earlier question is left out, as published", async () => {
  const earlier = { role: "assistant", content: "4", reasoning_content: "Hm." };
  const written = await prompt("qwen3", { messages: [user, earlier, user] });
  expect(written).not.toContain("Hm.");
});
