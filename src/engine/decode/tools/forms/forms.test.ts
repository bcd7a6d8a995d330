import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../../../weights/tokenizer/index.ts";
import { compiled } from "../../grammar/compile.ts";
import { answerReader, FreeReader } from "../answer-reader.ts";
import { callingOf, inForm } from "../calling.ts";
import type { Tool, ToolChoice } from "../tools.ts";
import { cohereCalls } from "./cohere.ts";
import { deepSeekCalls } from "./deepseek.ts";
import { argumentOf, type CallForm } from "./form.ts";
import { gemma4Calls } from "./gemma4.ts";
import { glmCalls } from "./glm.ts";
import { callFormOf, turnsIn } from "./index.ts";
import { lfm2Calls } from "./lfm2.ts";
import { llama4Calls } from "./llama4.ts";
import { qwen3CoderCalls } from "./qwen3-coder.ts";

const tools: Tool[] = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: {
        properties: {
          city: { type: "string" },
          days: { type: "integer" },
          unit: { enum: ["c", "f"] },
          at: { type: "array" },
        },
      },
    },
  },
  { type: "function", function: { name: "now" } },
];

/** The result of reading an answer whose pieces end at these indices. */
function read(form: CallForm, answer: string, ends: readonly number[]) {
  const reader = new FreeReader(tools, form);
  const borders = [0, ...ends, answer.length];
  const all = borders.slice(1).map((end, i) => reader.push(answer.slice(borders[i], end), false));
  all.push(reader.push("", true));
  return { text: all.map(({ text }) => text).join(""), calls: all.flatMap(({ calls }) => calls) };
}

/** Reads an answer as a whole, in two pieces at every possible cut, and letter by letter. */
function readAlways(form: CallForm, answer: string) {
  const whole = read(form, answer, []);
  for (let at = 1; at < answer.length; at++) expect(read(form, answer, [at]), `cut at ${at}`).toEqual(whole);
  expect(
    read(
      form,
      answer,
      Array.from(answer, (_, i) => i),
    ),
  ).toEqual(whole);
  return whole;
}

const call = (name: string, args: object) => ({ name, arguments: JSON.stringify(args) });
const rain = call("weather", { city: "Aix", days: 3 });
const now = call("now", {});
const deep = (...calls: string[]) =>
  `<｜tool▁calls▁begin｜>${calls.map((it) => `<｜tool▁call▁begin｜>${it}<｜tool▁call▁end｜>`).join("\n")}<｜tool▁calls▁end｜>`;

describe.each<{ name: string; form: CallForm; one: string; two: string }>([
  {
    name: "LFM2",
    form: lfm2Calls,
    one: '<|tool_call_start|>[weather(city="Aix", days=3)]<|tool_call_end|>',
    two: "<|tool_call_start|>[weather(city='Aix', days=3), now()]<|tool_call_end|>",
  },
  {
    name: "LFM2 in JSON",
    form: lfm2Calls,
    one: '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Aix", "days": 3}}]<|tool_call_end|>',
    two: '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Aix", "days": 3}}, {"name": "now"}]<|tool_call_end|>',
  },
  {
    name: "Cohere",
    form: cohereCalls,
    one: '<|START_ACTION|>[\n  {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Aix", "days": 3}}\n]<|END_ACTION|>',
    two: '<|START_ACTION|>[{"tool_name": "weather", "parameters": {"city": "Aix", "days": 3}}, {"tool_name": "now"}]<|END_ACTION|>',
  },
  {
    name: "DeepSeek V3",
    form: deepSeekCalls,
    one: deep('function<｜tool▁sep｜>weather\n```json\n{"city": "Aix", "days": 3}\n```'),
    two: deep(
      'function<｜tool▁sep｜>weather\n```json\n{"city": "Aix", "days": 3}\n```',
      "function<｜tool▁sep｜>now\n```json\n{}\n```",
    ),
  },
  {
    name: "DeepSeek V3.1",
    form: deepSeekCalls,
    one: deep('weather<｜tool▁sep｜>{"city": "Aix", "days": 3}'),
    two: deep('weather<｜tool▁sep｜>{"city": "Aix", "days": 3}', "now<｜tool▁sep｜>{}"),
  },
  {
    name: "Gemma 4",
    form: gemma4Calls,
    one: '<|tool_call>call:weather{city:<|"|>Aix<|"|>,days:3}<tool_call|>',
    two: '<|tool_call>call:weather{city:<|"|>Aix<|"|>,days:3}<tool_call|><|tool_call>call:now{}<tool_call|>',
  },
  {
    name: "Llama 4",
    form: llama4Calls,
    one: '{"name": "weather", "parameters": {"city": "Aix", "days": 3}}',
    two: '{"name": "weather", "parameters": {"city": "Aix", "days": 3}}{"name": "now", "parameters": {}}',
  },
  {
    name: "GLM",
    form: glmCalls,
    one: "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Aix</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
    two: "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Aix</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>",
  },
  {
    name: "Qwen3-Coder",
    form: qwen3CoderCalls,
    one: "<tool_call>\n<function=weather>\n<parameter=city>\nAix\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
    two: "<tool_call>\n<function=weather>\n<parameter=city>\nAix\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
  },
])("$name", ({ form, one, two }) => {
  test("one call, and text before it", () => {
    expect(readAlways(form, one)).toEqual({ text: "", calls: [rain] });
    expect(readAlways(form, `Is 1 < 2? ${one}`)).toEqual({ text: "Is 1 < 2? ", calls: [rain] });
  });

  test("two calls, and text behind them", () => {
    expect(readAlways(form, two)).toEqual({ text: "", calls: [rain, now] });
    expect(readAlways(form, `${one}\n\nDone.`)).toEqual({ text: "Done.", calls: [rain] });
  });

  test("a call that lacks its closing is a call if it cannot be a cut one, and one that was cut is text", () => {
    const open = one.slice(0, -form.close.length);
    expect(readAlways(form, open)).toEqual(form.needsClose ? { text: open, calls: [] } : { text: "", calls: [rain] });
    const cut = one.slice(0, one.indexOf("Aix") + 2);
    expect(readAlways(form, cut)).toEqual({ text: cut, calls: [] });
  });

  test("a malformed call is text, and the next one is a call", () => {
    const wrong = `${form.open}!?${form.close}`;
    expect(readAlways(form, `${wrong} ${one}`)).toEqual({ text: `${wrong} `, calls: [rain] });
  });
});

test.each<[string, CallForm, string, object]>([
  [
    "Python's literals",
    lfm2Calls,
    `<|tool_call_start|>[weather(city="a \\"b\\" <|tool_call_end|>", days=-2, unit="\\x41\\u00e9\\q", at=[1.5, True, None, {'k': 'it\\'s\\n'}], )]<|tool_call_end|>`,
    { city: 'a "b" <|tool_call_end|>', days: -2, unit: "Aé\\q", at: [1.5, true, null, { k: "it's\n" }] },
  ],
  [
    "values in values, quoted keys, and marks in texts",
    gemma4Calls,
    '<|tool_call>call:weather{at:[1.5,true,None,{k:<|"|>it, "s" }<tool_call|><|"|>, <|"|>a b<|"|>: []}], <|"|>days<|"|>: -2e1}<tool_call|>',
    { at: [1.5, true, null, { k: 'it, "s" }<tool_call|>', "a b": [] }], days: -20 },
  ],
  [
    "objects in objects, and closings in a text",
    llama4Calls,
    '{"name": "weather", "parameters": {"at": [{"a": {"b": {}}}], "city": "}}"}}',
    { at: [{ a: { b: {} } }], city: "}}" },
  ],
  [
    "a closing in a text",
    cohereCalls,
    '<|START_ACTION|>[{"tool_name": "weather", "parameters": {"city": "<|END_ACTION|>]"}}]<|END_ACTION|>',
    { city: "<|END_ACTION|>]" },
  ],
  [
    "texts stay texts by their schema, and others are JSON",
    glmCalls,
    '<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n<arg_key>unit</arg_key><arg_value>c</arg_value>\n<arg_key>at</arg_key>\n<arg_value>["x", 1]</arg_value>\n</tool_call>',
    { city: "12", unit: "c", at: ["x", 1] },
  ],
  [
    "lines of a text",
    qwen3CoderCalls,
    "<tool_call>\n<function=weather>\n<parameter=city>\na\n<b>\n\nc\n</parameter>\n</function>\n</tool_call>",
    { city: "a\n<b>\n\nc" },
  ],
  ["the usual form", glmCalls, '<tool_call>\n{"name": "weather", "arguments": {"days": 1}}\n</tool_call>', { days: 1 }],
  ["the usual form", qwen3CoderCalls, '<tool_call>{"name": "weather", "arguments": {}}</tool_call>', {}],
])("%s", (_, form, answer, weather) => {
  expect(readAlways(form, answer)).toEqual({ text: "", calls: [call("weather", weather)] });
});

test("a function that may not be called is text, also where its name was cut", () => {
  for (const answer of ["<tool_call>hello", "<tool_call>hello</tool_call>", "<tool_call>weath</tool_call>"])
    expect(readAlways(glmCalls, answer)).toEqual({ text: answer, calls: [] });
});

test("text flows again behind an opening that many closings did not end", () => {
  const reader = new FreeReader(tools, glmCalls);
  const answer = `<tool_call>${"!</tool_call>".repeat(8)}`;
  expect(reader.push(answer, false)).toEqual({ text: answer, calls: [] });
  const started = `${answer}!`;
  expect(readAlways(glmCalls, started.repeat(20))).toEqual({ text: started.repeat(20), calls: [] });
});

test("lists deeper than a call has are text", () => {
  const [python, json] = [`now(a=${"[".repeat(5000)}`, `[{"name": "now", "arguments": {"a": ${"[".repeat(30000)}`];
  for (const inside of [python, `${json}${"]".repeat(30000)}}}]`]) {
    const answer = `<|tool_call_start|>${inside}<|tool_call_end|>`;
    expect(read(lfm2Calls, answer, [])).toEqual({ text: answer, calls: [] });
  }
});

test("an optional text stays text, and null is null", () => {
  const tool = (city: object) => [
    { ...tools[0]!, function: { name: "weather", parameters: { properties: { city } } } },
  ];
  const optional = { anyOf: [{ type: "string" }, { type: "null" }] };
  for (const city of [optional, { type: ["string", "null"] }]) {
    expect(argumentOf("12345", "weather", "city", tool(city) as Tool[])).toBe("12345");
    expect(argumentOf("null", "weather", "city", tool(city) as Tool[])).toBe(null);
  }
  expect(argumentOf("null", "weather", "city", tools)).toBe("null");
});

test.each([
  "[weather(city=Aix)]",
  "[weather(city='Aix']",
  "[weather('Aix')]",
  "[weather(days=1) now()]",
  "[weather(days=1.2.3)]",
  "weather",
  "[]",
])("%s is no call in Python", (inside) => {
  const answer = `<|tool_call_start|>${inside}<|tool_call_end|>`;
  expect(readAlways(lfm2Calls, answer)).toEqual({ text: answer, calls: [] });
});

describe.each<{ name: string; form: CallForm; template?: string; begin: string; rest: string; end: string }>([
  {
    name: "Cohere",
    form: cohereCalls,
    begin: "<|START_ACTION|>[\n    ",
    rest: '{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Aix", "days": 3}}',
    end: "\n]<|END_ACTION|>",
  },
  {
    name: "DeepSeek V3",
    form: deepSeekCalls,
    template: "<｜tool▁calls▁begin｜> ```json",
    begin: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n",
    rest: '{"city": "Aix", "days": 3}',
    end: "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
  },
  {
    name: "DeepSeek V3.1",
    form: deepSeekCalls,
    template: "<｜tool▁calls▁begin｜>",
    begin: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>",
    rest: '{"city": "Aix", "days": 3}',
    end: "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
  },
  {
    name: "Llama 4",
    form: llama4Calls,
    begin: "",
    rest: '{"name": "weather", "parameters": {"city": "Aix", "days": 3}}',
    end: "",
  },
])("a call of $name that must come", ({ form, template = "", begin, rest, end }) => {
  const options = { tools, toolChoice: { name: "weather" } };

  test("is held to the model's own form, with arguments by their schema", () => {
    const calling = inForm(callingOf(options), form, template, options);
    expect(calling).toMatchObject({ tools, begin, trigger: undefined });
    const { forest, root } = compiled(calling.format!);
    const takes = (text: string) => forest.takes(root, Buffer.from(text));
    expect([rest, rest.replace("3", '"3"'), `${rest}}`].map(takes)).toEqual([true, false, false]);
  });

  test("is read, and one that was cut is text", () => {
    for (const [text, read] of [
      [rest, { text: "", calls: [rain] }],
      [rest.slice(0, -1), { text: rest.slice(0, -1), calls: [] }],
    ] as const) {
      const reader = answerReader(options, form)!;
      const parts = [reader.push(text.slice(0, 9), false), reader.push(text.slice(9), true)];
      expect({ text: parts.map((part) => part.text).join(""), calls: parts.flatMap(({ calls }) => calls) }).toEqual(
        read,
      );
    }
  });

  test("is the call that the model writes freely", () =>
    expect(readAlways(form, begin + rest + end)).toEqual({ text: "", calls: [rain] }));
});

test("a call that must come is held to the usual form if the model's own cannot be", () => {
  const usual = (form: CallForm, toolChoice: ToolChoice) =>
    inForm(callingOf({ tools, toolChoice }), form, "", { tools, toolChoice });
  // With several functions, a name comes before DeepSeek's JSON.
  for (const form of [deepSeekCalls, gemma4Calls, glmCalls, lfm2Calls, qwen3CoderCalls])
    expect(usual(form, "required")).toEqual(callingOf({ tools, toolChoice: "required" }));
  expect(usual(cohereCalls, "none")).toEqual(callingOf({ tools, toolChoice: "none" }));
  const read = answerReader({ tools, toolChoice: "required" }, deepSeekCalls)!;
  expect(read.push('{"name":"now","arguments":{}}', true)).toEqual({ text: "", calls: [now] });
});

const vocabulary = (chat: string, ...special: string[]) => ({
  templates: { chat },
  specialId: (text: string) => (special.includes(text) ? 7 : undefined),
});

test.each<[CallForm | undefined, string, ...string[]]>([
  [lfm2Calls, "{% if tools %}<|tool_list_start|>{% endif %}", "<|tool_call_start|>"],
  [cohereCalls, "{% if tools %}<|START_ACTION|>{% endif %}"],
  [deepSeekCalls, "{% if tools %}<｜tool▁calls▁begin｜>{% endif %}"],
  [gemma4Calls, "{% if tools %}<|tool_call>{% endif %}"],
  [glmCalls, "{% if tools %}<tool_call><arg_key>{% endif %}"],
  [llama4Calls, '{% if tools %}{"parameters": ...}{% endif %}<|header_start|>'],
  [qwen3CoderCalls, "{% if tools %}<tool_call><function=f><parameter=p>{% endif %}"],
  [undefined, "{% if tools %}<tool_call>{% endif %}"],
  [undefined, "{{ messages }}<|START_ACTION|>", "<|tool_call_start|>"],
])("a model's form is that of its template", (form, chat, ...special) => {
  expect(callFormOf(vocabulary(chat, ...special))).toBe(form);
});

test.each([
  "weather{days:1}",
  "call:weather{days:1",
  "call:weather{days:one}",
  'call:weather{city:<|"|>Aix}',
  "call:weather{days:1 days:2}",
  "call:weather{:1}",
  "call:weather{days:1}}",
  `call:weather{at:${"[".repeat(5000)}}`,
])("%s is no call of Gemma 4", (inside) => {
  const answer = `<|tool_call>${inside}<tool_call|>`;
  expect(read(gemma4Calls, answer, [])).toEqual({ text: answer, calls: [] });
});

test("Gemma 4's templates get the results of calls in the turn of the calls", () => {
  const turns = [
    { role: "user", content: "Rain?" },
    {
      role: "assistant",
      content: "So: ",
      tool_calls: [{ function: { name: "weather" } }, { function: { name: "now" } }],
    },
    { role: "tool", content: '{"rain": true}' },
    { role: "tool", content: "noon" },
    { role: "assistant", content: "Yes." },
  ] as unknown as ChatMessage[];
  const results = [
    { name: "weather", response: { rain: true } },
    { name: "now", response: "noon" },
  ];
  const { content: _, ...calls } = turns[1]!;
  expect(turnsIn(gemma4Calls, "{{ tool_responses }} tool_calls", turns)).toEqual([
    turns[0],
    { role: "assistant", content: "So: " },
    { ...calls, content: "", tool_responses: results },
    turns[4],
  ]);
  expect(turnsIn(gemma4Calls, "tool_calls", turns)).toEqual(turns);
});

test.each([
  ["ids", { id: "a" }, { id: "b" }, { tool_call_id: "a" }, { tool_call_id: "b" }],
  ["names", {}, {}, { name: "weather" }, { name: "now" }],
  ["one id", { id: "a" }, { id: "b" }, {}, { tool_call_id: "b" }],
  ["one name", {}, {}, {}, { name: "now" }],
])("Gemma 4's results in another order find their calls by %s", (_, first, second, rain, noon) => {
  const turns = [
    {
      role: "assistant",
      content: "",
      tool_calls: [
        { ...first, function: { name: "weather" } },
        { ...second, function: { name: "now" } },
      ],
    },
    { role: "tool", content: "noon", ...noon },
    { role: "tool", content: "rain", ...rain },
  ] as unknown as ChatMessage[];
  const [turn, ...others] = turnsIn(gemma4Calls, "{{ tool_responses }}", turns);
  expect(others).toEqual([]);
  expect(turn!["tool_responses"]).toEqual([
    { name: "weather", response: "rain" },
    { name: "now", response: "noon" },
  ]);
});

test("Gemma 4's calls of one function get the results of their ids", () => {
  const calls = ["a", "b"].map((id) => ({ id, function: { name: "weather" } }));
  const results = ["b", "a"].map((id) => ({ role: "tool", tool_call_id: id, name: "weather", content: `of ${id}` }));
  const turns = [{ role: "assistant", content: "", tool_calls: calls }, ...results] as unknown as ChatMessage[];
  expect(turnsIn(gemma4Calls, "{{ tool_responses }}", turns)[0]!["tool_responses"]).toEqual([
    { name: "weather", response: "of a" },
    { name: "weather", response: "of b" },
  ]);
});

test("earlier calls are written as the template takes them", () => {
  const options = { city: 'A"x', days: 2, at: [true, null] };
  const turn = {
    role: "assistant",
    content: "So: ",
    tool_calls: [{ function: { name: "weather", arguments: options } }],
  };
  const written = (form: CallForm, template: string) => turnsIn(form, template, [turn as ChatMessage])[0]!;
  expect(written(lfm2Calls, "{{ tools }}").content).toBe(
    'So: <|tool_call_start|>[weather(city="A\\"x", days=2, at=[True, None])]<|tool_call_end|>',
  );
  expect(written(lfm2Calls, "{{ m.tool_calls }}")).toEqual(turn);
  expect(written(cohereCalls, "")).toEqual(turn);
  expect(written(deepSeekCalls, "{{ m.tool_calls }}")["tool_calls"]).toEqual([
    { function: { name: "weather", arguments: JSON.stringify(options) } },
  ]);
});
