import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type ChatMessage, Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { type ChatTurns, labelledChat } from "./chat-labels.ts";

const SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"];
const withTemplate = (chatTemplate: string, eos = "<|im_end|>") =>
  new Tokenizer(byteSource(SPECIAL, { chatTemplate, bos: 256, eos: 256 + SPECIAL.indexOf(eos) }));

/** The labelled parts of a chat. */
const labelled = (tokenizer: Tokenizer, chat: ChatTurns): string[] =>
  labelledChat(tokenizer, chat)
    .map(({ text, labelled }) => (labelled ? text : "\0"))
    .join("")
    .split(/\0+/)
    .filter((text) => text !== "");

const says = (role: string) => (content: string) => ({ role, content });
const [system, user, assistant] = [says("system"), says("user"), says("assistant")];
const chat: ChatMessage[] = [
  system("Be brief."),
  user("user"),
  assistant("  One.\n"),
  user("And <|im_end|> two?"),
  assistant("Two"),
];

const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
/** The template drops thoughts from all answers but the last; the prompt may already contain the start of an answer. */
const THINKING =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}";
/** No marker precedes an answer; only its end is a token. */
const INSTRUCT =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content | trim }}{{ eos_token }}{% elif m.role == 'user' %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}";
/** A template in which only the next turn ends an answer. */
const BARE =
  "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

describe("labels are what a generation would have written, with the token that ends it", () => {
  test("markers, the turns of others and text between turns are not labels", () => {
    expect(labelled(withTemplate(CHATML), { messages: chat })).toEqual(["  One.\n<|im_end|>", "Two<|im_end|>"]);
  });

  test("a template that drops thoughts, and a prompt that begins the answer", () => {
    const messages = [
      user("a"),
      assistant("<think>\nx</think>\nfirst"),
      user("b"),
      assistant("<think>\ny</think>\nlast"),
    ];
    expect(labelled(withTemplate(THINKING), { messages })).toEqual(["first<|im_end|>", "y</think>\nlast<|im_end|>"]);
  });

  test("a template without a generation prompt", () => {
    const messages = chat.slice(1);
    expect(labelled(withTemplate(INSTRUCT, "</s>"), { messages })).toEqual([" One.</s>", " Two</s>"]);
  });

  test("a template in which no token ends an answer", () => {
    expect(labelled(withTemplate(BARE), { messages: chat })).toEqual(["One.\n", "Two\n"]);
  });

  test("a template in which a token ends only the turns of others", () => {
    const template = BARE.replace("| trim }}", "| trim }}{{ eos_token if m.role == 'user' }}");
    expect(labelled(withTemplate(template), { messages: chat })).toEqual(["One.\n", "Two\n"]);
  });

  test("a prompt whose last token is not the answer's first", () => {
    const template =
      "{% for m in messages %}{{ '<s>' if m.role == 'assistant' else '<|im_start|>' }}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}";
    const messages = [user("a"), assistant("b")];
    expect(labelled(withTemplate(template), { messages })).toEqual(["<s>b<|im_end|>"]);
  });

  test("an answer that calls a function", () => {
    const template = CHATML.replace("{{ m.content }}", "{{ m.content }}{{ m.tool_calls | tojson if m.tool_calls }}");
    const messages = [user("a"), { role: "assistant", content: "", tool_calls: [{ name: "f" }] }, says("tool")("1")];
    expect(labelled(withTemplate(template), { messages })).toEqual(['[{"name": "f"}]<|im_end|>']);
  });
});

test("unmask: contents of every turn but the system's, without markers or the ends of others' turns", () => {
  const labels = labelled(withTemplate(CHATML), { messages: chat, unmask: true });
  expect(labels).toEqual(["user", "  One.\n<|im_end|>", "And <|im_end|> two?", "Two<|im_end|>"]);
});

test("the whole chat is there, once", () => {
  const tokenizer = withTemplate(CHATML);
  const text = labelledChat(tokenizer, { messages: chat, unmask: true })
    .map((segment) => segment.text)
    .join("");
  expect(text).toBe(chat.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join(""));
});

test("a template that rewrites the past once there is an answer: one sentence", () => {
  const template = CHATML.replace("{{ m.role }}", "{{ messages | length }}");
  expect(() => labelled(withTemplate(template), { messages: chat })).toThrow(
    /^messages\[2\]: the chat template renders/,
  );
});

/** A template as in a model, with its special tokens over bytes. */
function published(name: string): Tokenizer {
  const file = new URL(`../../weights/tokenizer/fixtures/models/${name}.json.gz`, import.meta.url);
  const { tokenizer, config } = JSON.parse(gunzipSync(readFileSync(file)).toString());
  const added: { content: string; special: boolean }[] = tokenizer.added_tokens;
  const special = added.filter((token) => token.special).map(({ content }) => content);
  const id = (role: string) => {
    const index = special.indexOf(config[role]?.content ?? config[role]);
    return index < 0 ? undefined : 256 + index;
  };
  const ids = { bos: id("bos_token"), eos: id("eos_token") };
  return new Tokenizer(byteSource(special, { chatTemplate: config.chat_template, ...ids }));
}

describe("templates of published models", () => {
  const thought = (content: string) => `<think>\nhm\n</think>\n\n${content}`;
  const messages = [user("a"), assistant(" One.\n"), user("b"), assistant(thought("Two"))];

  test.each([
    ["gemma3", "One.<end_of_turn>", thought("Two<end_of_turn>")],
    ["llama3.1", "One.<|eot_id|>", thought("Two<|eot_id|>")],
    ["qwen3", " One.\n<|im_end|>", thought("Two<|im_end|>")],
    ["deepseek-v3", " One.\n<｜end▁of▁sentence｜>", thought("Two<｜end▁of▁sentence｜>")],
  ])("%s", (name, ...answers) => {
    expect(labelled(published(name), { messages })).toEqual(answers);
  });

  test("qwen3: a function call with its result, without the thoughts of an earlier question", () => {
    const call = { id: "1", type: "function", function: { name: "f", arguments: { x: 1 } } };
    const turns = [user("a"), assistant(thought("One")), user("b"), { ...assistant(""), tool_calls: [call] }];
    const after = [says("tool")("7"), assistant("It is 7")];
    expect(labelled(published("qwen3"), { messages: [...turns, ...after] })).toEqual([
      "One<|im_end|>",
      '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call><|im_end|>',
      "<think>\n\n</think>\n\nIt is 7<|im_end|>",
    ]);
  });
});
