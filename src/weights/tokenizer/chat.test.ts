import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { type ChatMessage, encodeChat, renderChat } from "./chat.ts";
import { byteSource } from "./tokenizer.testing.ts";
import { Tokenizer } from "./tokenizer.ts";

const specialTokens = ["<|start|>", "<|end|>", "<|end", "<file>"];
const user = (content: string): ChatMessage => ({ role: "user", content });
const render = (template: string, ...messages: ChatMessage[]) =>
  renderChat(template, messages, { addGenerationPrompt: true, specialTokens });
const textOf = (segments: { text: string }[]) => segments.map((segment) => segment.text).join("");
const specialOf = (segments: { text: string; special: boolean }[]) =>
  segments.filter((segment) => segment.special).map((segment) => segment.text);

const CHAT =
  "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>{% endif %}";
const TRIMMED = CHAT.replace("m.content", "m.content | trim");

test("the template's special tokens stand for themselves, the user's are text", () => {
  expect(render(CHAT, user("a <|end|> b"))).toEqual([
    { text: "<|start|>", special: true },
    { text: "user\na <|end|> b", special: false },
    { text: "<|end|>", special: true },
    { text: "<|start|>", special: true },
  ]);
});

test("the generation prompt, bos and eos", () => {
  const options = { addGenerationPrompt: false, specialTokens, bos: "<|start|>", eos: "<|end|>" };
  expect(renderChat("{{ bos_token }}x{{ eos_token }}{% if add_generation_prompt %}y{% endif %}", [], options)).toEqual([
    { text: "<|start|>", special: true },
    { text: "x", special: false },
    { text: "<|end|>", special: true },
  ]);
  expect(textOf(render("{{ bos_token }}|{{ eos_token }}"))).toBe("|");
});

describe("what filters do to guarded text", () => {
  test.each([
    ["  <|end|>  ", "<|end|>"],
    ["\n<|start|> x <file>\t\n", "<|start|> x <file>"],
    ["  ends with <  ", "ends with <"],
    ["  |> starts so  ", "|> starts so"],
    ["   ", ""],
    [" start ", "start"],
  ])("%j is trimmed", (content, trimmed) => {
    const segments = render(TRIMMED, user(content));
    expect(textOf(segments)).toBe(`<|start|>user\n${trimmed}<|end|><|start|>`);
    expect(specialOf(segments)).toEqual(["<|start|>", "<|end|>", "<|start|>"]);
  });

  test("tests and cuts of texts without special tokens see the text itself", () => {
    const template =
      "{% set c = messages[0].content %}{{ c.startswith('<think>') }} {{ c.split('</think>')[-1].lstrip('\n') }} {{ c | length }}";
    expect(textOf(render(template, user("<think>a</think>\nb > c")))).toBe("true b > c 22");
  });

  test("JSON of tool calls, keys and types too", () => {
    const call = {
      name: "f",
      arguments: { "<|end|>": ["<|start|>", { type: "<|end|>" }], n: 1, none: null, yes: true },
    };
    const segments = render("<|start|>{{ messages[0].call | tojson }}", { role: "assistant", content: "", call });
    expect(textOf(segments)).toBe(
      '<|start|>{"name": "f", "arguments": {"<|end|>": ["<|start|>", {"type": "<|end|>"}], "n": 1, "none": null, "yes": true}}',
    );
    expect(specialOf(segments)).toEqual(["<|start|>"]);
  });

  test("a schema's required names are equal to its keys, also if they are parts of special tokens", () => {
    const parameters = { properties: { end: {}, start: {} }, required: ["end"] };
    const template =
      "{% for name in tools[0].properties %}{{ name }}{% if name not in tools[0].required %}?{% endif %} {% endfor %}";
    const options = { addGenerationPrompt: true, specialTokens, tools: [parameters] };
    expect(textOf(renderChat(template, [], options))).toBe("end start? ");
  });

  test("content in parts, told by their type", () => {
    const content = [
      { type: "text", text: "a<|end|>" },
      { type: "image", text: "b" },
    ];
    const template = "{% for p in messages[0].content if p.type == 'text' %}{{ p.text }}<|end|>{% endfor %}";
    expect(render(template, { role: "user", content })).toEqual([
      { text: "a<|end|>", special: false },
      { text: "<|end|>", special: true },
    ]);
  });
});

describe("halves of a special token", () => {
  test("a role may fill one: templates are written so", () => {
    const segments = render("<|{{ messages[0].role }}|>{{ messages[0].content }}", { role: "start", content: "start" });
    expect(segments).toEqual([
      { text: "<|start|>", special: true },
      { text: "start", special: false },
    ]);
  });

  test.each(["<|end|>", "", "a b", "user\n", "|>", "<"])("the role %j is refused", (role) => {
    expect(() => render(CHAT, user("x"), { role, content: "" })).toThrow(
      new UserError(`messages[1] has the role ${JSON.stringify(role)}, expected a word such as "user"`),
    );
  });

  /** The allowed matches, derived from the pieces' origins. */
  function expected(pieces: { text: string; own: boolean }[]): string[] {
    const text = textOf(pieces);
    const own = pieces.flatMap((piece) => Array.from(piece.text, () => piece.own));
    const results: string[] = [];
    for (let at = 0; at < text.length; ) {
      const fits = specialTokens.filter(
        (token) => text.startsWith(token, at) && own.slice(at, at + token.length).every((mine) => mine),
      );
      const longest = fits.sort((a, b) => b.length - a.length)[0];
      if (longest !== undefined) results.push(longest);
      at += longest?.length ?? 1;
    }
    return results;
  }

  test.each(["c", "c | trim"])("no special token holds a user's character, however {{ %s }} is set", (expression) => {
    const next = seededRandom(2);
    const bits = [
      "<",
      "<|",
      "<|start",
      "|>",
      "|",
      ">",
      "start",
      "end",
      "<file",
      "file",
      "file>",
      "<|end|>",
      "<|start|>",
      "x",
      " ",
      "\n",
    ];
    const draw = (most: number) =>
      Array.from({ length: Math.floor(next() * (most + 1)) }, () => bits[Math.floor(next() * bits.length)]!).join("");
    let count = 0;
    for (let i = 0; i < 3000; i++) {
      const pieces = Array.from({ length: 5 }, (_, at) => ({ text: draw(3), own: at % 2 === 0 }));
      const template = pieces.map(({ text, own }, at) =>
        own ? `{{ ${JSON.stringify(text)} }}` : `{% set c = messages[${(at - 1) / 2}].content %}{{ ${expression} }}`,
      );
      const messages = pieces.filter(({ own }) => !own).map(({ text }) => user(text));
      const shown = pieces.map((p) => (p.own || expression === "c" ? p : { ...p, text: p.text.trim() }));
      const segments = render(template.join(""), ...messages);
      expect(textOf(segments)).toBe(textOf(shown));
      expect(specialOf(segments)).toEqual(expected(shown));
      count += specialOf(segments).length;
    }
    expect(count).toBeGreaterThan(1000);
  });
});

test("noncharacters in the chat are kept, and its own is told from them", () => {
  const content = "a\ufdd0<|end|>\ufdd1b";
  expect(textOf(render(CHAT, user(content)))).toBe(`<|start|>user\n${content}<|end|><|start|>`);
  const all = String.fromCharCode(...Array.from({ length: 32 }, (_, i) => 0xfdd0 + i));
  expect(() => render(CHAT, user(all))).toThrow("the chat contains every noncharacter from U+FDD0 to U+FDEF");
});

test("texts with patterns of a replacement in them stay as they are", () => {
  expect(textOf(render("{{ messages[0].content }}", user("$& $1 <|end|> $$ $`")))).toBe("$& $1 <|end|> $$ $`");
});

describe("a template that fails is one sentence", () => {
  test.each([
    ["{{ raise_exception('Roles must alternate') }}", /: Roles must alternate$/],
    ["{% for m in messages %}", /./],
    ["{{ messages[0].content() }}", /Cannot call/],
    ["{{ messages | nosuchfilter }}", /nosuchfilter/],
  ])("%s", (template, reason) => {
    const run = () => render(template, user("x"));
    expect(run).toThrow(UserError);
    expect(run).toThrow(/^the chat template cannot render this chat: .+$/);
    expect(run).toThrow(reason);
  });
});

describe("encodeChat", () => {
  const source = byteSource(specialTokens, { bos: 256, eos: 257, path: "tiny.gguf" });

  test("ids, with bos and eos by their texts", () => {
    const chatTemplate =
      "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{% if add_generation_prompt %}>{% endif %}";
    const tokenizer = new Tokenizer({ ...source, chatTemplate });
    expect(encodeChat(tokenizer, [user("hi")], { addGenerationPrompt: true })).toEqual([256, 104, 105, 257, 62]);
    expect(encodeChat(tokenizer, [user("hi")], { addGenerationPrompt: false })).toEqual([256, 104, 105, 257]);
    expect(encodeChat(tokenizer, [user("<|end|>")], { addGenerationPrompt: false })).toEqual([
      256,
      ...Buffer.from("<|end|>"),
      257,
    ]);
  });

  test("a model without a template says so", () => {
    expect(() => encodeChat(new Tokenizer(source), [user("hi")], { addGenerationPrompt: true })).toThrow(
      new UserError("tiny.gguf: the model has no chat template (tokenizer.chat_template); give it a plain prompt"),
    );
  });
});
