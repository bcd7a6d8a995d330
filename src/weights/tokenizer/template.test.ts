import { describe, expect, test } from "vitest";
import { callsOf } from "../../util/calls.testing.ts";
import { UserError } from "../../util/errors.ts";
import { strftime } from "./strftime.ts";
import { renderTemplate } from "./template.ts";

const DOUBLED = (start: string, step: string, end: string) =>
  `{% set n = namespace(x=${start}) %}{% for i in range(60) %}{% set n.x = ${step} %}{% endfor %}${end}`;

function refusalOf(template: string): unknown {
  try {
    renderTemplate(template, { messages: [{ role: "user", content: "hi" }] });
  } catch (error) {
    return error;
  }
}

test("a template sees nothing of the program around it", () => {
  expect(renderTemplate("{{ process.env }}{{ globalThis.x }}{{ require }}", {})).toBe("");
});

describe("a hostile template is stopped with one sentence", () => {
  test.each([
    [
      "loops in loops",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      /takes more than/,
    ],
    [
      "steps",
      "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}",
      /takes more than/,
    ],
    ["a long range", "{% for i in range(10**12) %}x{% endfor %}", /a range of 1000000000000 numbers/],
    ["a range without end", "{{ range(0, 5, 0) }}", /a range of Infinity numbers/],
    ["itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", /recurses too deeply|Cannot call/],
    ["a text that doubles", DOUBLED("'x'", "n.x ~ n.x", "{{ n.x }}"), /makes more than \d+ characters/],
    ["a list that doubles", DOUBLED("[1]", "n.x + n.x", "{{ n.x | length }}"), /makes more than \d+ items/],
    ["lists of lists", DOUBLED("[1]", "[n.x, n.x]", "{{ n.x | tojson }}"), /takes more than 1 s|call|length/],
    ["a wide indent", "{{ {'a': 1} | tojson(indent=10**9) }}", /length|count/],
    [
      "replacements",
      "{% set x = 'a' | string %}{% set y = range(99999) | join %}{{ y.replace('', y) }}",
      /length|takes more than 1 s/,
    ],
    ["a search through spaces", `${" ".repeat(400_000)}x`, /takes more than 1 s/],
    ["the prototype", "{{ messages.__proto__ }}", /uses "__proto__"/],
    ["a constructor", "{{ messages[0].constructor('return 1')() }}", /uses "constructor"/],
    ["a constructor by its name", "{{ ''['constructor'] }}", /uses "constructor"/],
    ["Python's insides", "{{ ''.__class__.__mro__ }}", /uses "__class__"/],
  ])("%s", (_, template, reason) => {
    const refusal = refusalOf(template);
    expect(refusal).toBeInstanceOf(UserError);
    expect(String((refusal as Error).message)).toMatch(/^the chat template cannot render this chat: [^\n]+$/);
    expect(String((refusal as Error).message)).toMatch(reason);
  });
});

test("a template is not at fault where its process was held up for all of its second", () => {
  let times = 0;
  const variables = {
    get content() {
      // Simulates a system that gives the processor to other processes.
      if (++times === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
      return "hi";
    },
  };
  expect(renderTemplate("{{ content }}", variables)).toBe("hi");
  expect(times).toBe(2);
});

test("a field of the chat may have any name", () => {
  const messages = [JSON.parse('{"constructor": "a", "__proto__": "b", "prototype": "c"}')];
  const template = "{{ messages[0].constructor }}{{ messages[0]['__proto__'] }}{{ messages[0].prototype }}";
  expect(renderTemplate(template, { messages })).toBe("abc");
  expect(renderTemplate("{{ messages[0].missing }}{{ unknown }}", { messages })).toBe("");
  expect(({} as Record<string, unknown>).a).toBeUndefined();
});

test("a template is parsed once", async () => {
  const template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{% endfor %}";
  const messages = Array.from({ length: 10 }, (_, i) => ({
    role: i % 2 ? "assistant" : "user",
    content: "hello ".repeat(50),
  }));
  const parsing = () => callsOf(() => renderTemplate(template, { messages }), "@huggingface/jinja");
  const [first, second] = [await parsing(), await parsing()];
  expect(second).toBeLessThan(first);
  expect(await parsing()).toBe(second);
});

test("strftime, as Python writes it", () => {
  const date = new Date(2024, 1, 9, 15, 4, 5);
  expect(strftime(date, "%Y-%m-%d %H:%M:%S %d %b %Y %B %A %a %I%p %y %% %Q")).toBe(
    "2024-02-09 15:04:05 09 Feb 2024 February Friday Fri 03PM 24 % %Q",
  );
});
