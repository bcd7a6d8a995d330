import { expect, test } from "vitest";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { readRecords } from "./records.ts";
import { type LabelRule, samplesOf } from "./samples.ts";

const [BOS, EOS] = [256, 257];
const CHATML =
  "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
const tokenizer = new Tokenizer(
  byteSource(["<s>", "</s>"], { bos: BOS, eos: EOS, addBos: true, chatTemplate: CHATML }),
);

const sampled = (line: object, rule: LabelRule = "answers") =>
  samplesOf(readRecords("d.jsonl", JSON.stringify(line)), tokenizer, rule)[0]!;
const codes = (text: string) => [...Buffer.from(text)];

test("a text: each token is predicted from those before it, also the end", () => {
  const { ids, labels } = sampled({ text: "abc" });
  expect([...ids]).toEqual([BOS, ...codes("abc")]);
  expect([...labels]).toEqual([...codes("abc"), EOS]);
});

test("a completion: its own tokens are labels, each at the position before it", () => {
  const { ids, labels } = sampled({ prompt: "ab", completion: "cd" });
  expect([...ids]).toEqual([BOS, ...codes("abcd")]);
  expect([...labels]).toEqual([-1, -1, ...codes("cd"), EOS]);
});

test("labels on every token, on request", () => {
  expect([...sampled({ prompt: "ab", completion: "c" }, "all").labels]).toEqual([...codes("abc"), EOS]);
});

test("a chat: only the template writes special tokens", () => {
  const messages = [
    { role: "user", content: "</s>" },
    { role: "assistant", content: "y" },
  ];
  const { ids, labels } = sampled({ messages });
  expect([...ids]).toEqual([...codes("user:</s>\nassistant:y"), EOS]);
  expect([...labels]).toEqual([...codes("user:</s>\nassistant").map(() => -1), ...codes("y"), EOS, -1]);
});

test.each([
  ['{"text": "a"}\n\n{"text": ', /^d\.jsonl: line 3: this is not JSON/],
  ['{"text": "a"}\n[1]', "d.jsonl: line 2: expected an object"],
  ['{"text": 5}', 'd.jsonl: line 1: "text": expected string, got 5'],
  ['{"prompt": "a"}', 'd.jsonl: line 1: "completion": expected string, got nothing'],
  ['{"messages": [{"content": "a"}]}', 'd.jsonl: line 1: "messages.0.role": expected string, got nothing'],
  ['{"prompt": "a", "chosen": "b", "rejected": "c"}', /line 1: .*preferences: give --method dpo/],
  ['{"prompt": "a", "completion": "b", "label": false}', /line 1: .*rated completions: give --method kto/],
  ['{"foo": 1}', /^d\.jsonl: line 1: expected "text"; .*, as fields or by templates in columns; got "foo"$/],
  ['{"text": "a", "label": "b"}', /^d\.jsonl: line 1: expected .* to train a language model, got "text" and "label"$/],
  ['{"messages": [{"role": "<|x|>", "content": "a"}]}', /^d\.jsonl: line 1: messages\[0\] has the role/],
])("%j: one sentence with the line's number", (contents, sentence) => {
  expect(() => samplesOf(readRecords("d.jsonl", contents), tokenizer, "answers")).toThrow(sentence);
});

test("a chat of three turns: every label, position by position", () => {
  const turn = (role: string, content: string) => ({ role, content });
  const messages = [
    turn("system", "s"),
    ...[turn("user", "a"), turn("assistant", "One"), turn("user", "b"), turn("assistant", "Two")],
    ...[turn("user", "c"), turn("assistant", "")],
  ];
  /** Labels as text; `.` is a position without a label, `⏎` the end token. */
  const labelsOf = (unmask: boolean) =>
    [...sampled({ messages, unmask }).labels]
      .map((label) => (label < 0 ? "." : label === EOS ? "⏎" : String.fromCharCode(label)))
      .join("");
  const turns = (user: (content: string) => string) =>
    [".......", ".", user("a"), "..........One⏎.", user("b"), "..........Two⏎.", user("c"), "..........⏎."].join("");
  // A user's turn is `user:a` and a line end.
  expect(labelsOf(false)).toBe(turns(() => "......."));
  expect(labelsOf(true)).toBe(turns((content) => `.....${content}.`));
});
