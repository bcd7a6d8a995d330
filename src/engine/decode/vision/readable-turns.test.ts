import { expect, test } from "vitest";
import { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";
import { readableTurns, seenPrompt } from "./seen-prompt.ts";

const tokenizerOf = (chatTemplate: string) => new Tokenizer({ ...byteSource(["<image>"]), chatTemplate });
const turns = [
  { role: "user", content: [{ type: "image" }, { type: "text", text: "what?" }] },
  { role: "assistant", content: "a cat" },
];

test("texts become parts for a template that reads parts alone, as LLaVA-1.5's does", () => {
  const parts =
    "{% for m in messages %}{% for p in m.content | selectattr('type', 'equalto', 'text') %}{{ p.text }}{% endfor %}{% endfor %}";
  const [first, second] = readableTurns(tokenizerOf(parts), turns);
  expect(first).toEqual(turns[0]);
  expect(second!.content).toEqual([{ type: "text", text: "a cat" }]);
  const refusing = tokenizerOf("{% if messages[0].content is string %}{{ raise_exception('no') }}{% endif %}");
  expect(readableTurns(refusing, turns)[1]!.content).toEqual([{ type: "text", text: "a cat" }]);
});

test("texts stay for a template that shows them", () => {
  expect(readableTurns(tokenizerOf("{% for m in messages %}{{ m.content }}{% endfor %}"), turns)).toBe(turns);
});

test("images whose tokens see each other are refused on a device", async () => {
  const model = {
    ...{ source: { name: "g" }, vision: {}, decoder: { config: { wholeImages: true } } },
    engine: { programs: { device: "webgpu" } },
  };
  await expect(seenPrompt(model as never, [1], ["x.png"])).rejects.toThrow("g reads images only on the CPU");
});
