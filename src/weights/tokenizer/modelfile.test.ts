import { expect, test } from "vitest";
import { modelfile } from "./modelfile.ts";
import { Tokenizer } from "./tokenizer.ts";

const source = {
  ...{ path: "test.gguf", model: "gpt2", pre: "qwen2", tokens: ["a", "b", "<|im_start|>", "<|im_end|>"] },
  ...{ tokenTypes: Int32Array.of(1, 1, 3, 3), merges: [], eos: 3 },
};
const linesOf = (chatTemplate?: string): string[] =>
  modelfile(["FROM ./m.gguf"], new Tokenizer({ ...source, chatTemplate })).split("\n");

const CHATML = `{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;
const TEMPLATE = [
  'TEMPLATE """{{ if .System }}<|im_start|>system',
  "{{ .System }}<|im_end|>",
  "{{ end }}{{ if .Prompt }}<|im_start|>user",
  "{{ .Prompt }}<|im_end|>",
  "{{ end }}<|im_start|>assistant",
  "{{ .Response }}<|im_end|>",
  '"""',
];

test("ChatML", () => {
  expect(linesOf(CHATML)).toEqual(["FROM ./m.gguf", ...TEMPLATE, 'PARAMETER stop "<|im_end|>"', ""]);
});

test("a system message of the template's own", () => {
  const usual = "{% if messages[0].role != 'system' %}<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}";
  const lines = linesOf(usual + CHATML);
  expect(lines.slice(1, 8)).toEqual(TEMPLATE);
  expect(lines[8]).toBe('SYSTEM """Be brief."""');
});

test.each([
  ["no template", undefined],
  ["a template that refuses a system message", "{{ raise_exception('no') }}"],
  ["a system message inside the question", "{{ messages[0].content }}: {{ messages[1].content }}"],
  ["texts that depend on the place", `{{ messages | length }}${CHATML}`],
])("%s: the GGUF's own is named", (_, template) => {
  expect(linesOf(template)[1]).toMatch(/^# No TEMPLATE/);
});
