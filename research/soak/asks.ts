/** The requests of a soak's clients, and the expected outcome of each. */

/** A request of a kind, and the moment when its client leaves, if it does. */
export interface Ask {
  readonly kind: string;
  readonly path: string;
  readonly method?: "GET";
  readonly body: object | string;
  /** The expected status. */
  readonly status: number;
  /** Leaves after this many events of the stream, or milliseconds. */
  readonly leaves?: { readonly events: number } | { readonly ms: number };
}

type Draw = () => number;

const WORDS =
  "the server keeps a row for each answer and lets others wait while some text about rivers is read aloud".split(" ");
const words = (draw: Draw, count: number): string =>
  Array.from({ length: count }, () => WORDS[Math.floor(draw() * WORDS.length)]).join(" ");
const between = (draw: Draw, low: number, high: number): number => low + Math.floor(draw() * (high - low + 1));

const MODEL = "smollm2";
const SYSTEM = `You answer briefly. ${WORDS.join(" ").repeat(12)}`;

function chat(kind: string, draw: Draw, more: object): Ask {
  const messages = [{ role: "user", content: words(draw, between(draw, 3, 60)) }];
  const body = { model: MODEL, messages, max_tokens: between(draw, 1, 60), ...more };
  return { kind, path: "/v1/chat/completions", body, status: 200 };
}

const streamed = (draw: Draw) => ({ stream: true, stream_options: { include_usage: draw() < 0.7 } });

const texts = (draw: Draw): string[] =>
  Array.from({ length: between(draw, 1, 12) }, () => words(draw, between(draw, 1, 50)));

/** A kind, its relative frequency, and a maker of its requests. */
const mix: readonly (readonly [kind: string, weight: number, make: (draw: Draw, kind: string) => Ask])[] = [
  ["stream", 20, (draw, kind) => chat(kind, draw, streamed(draw))],
  ["whole answer", 14, (draw, kind) => chat(kind, draw, {})],
  ["several answers", 4, (draw, kind) => chat(kind, draw, { n: between(draw, 2, 4) })],
  [
    "shared system prompt",
    10,
    (draw, kind) => {
      const messages = [
        { role: "system", content: SYSTEM },
        { role: "user", content: words(draw, 8) },
      ];
      return chat(kind, draw, { messages, ...streamed(draw) });
    },
  ],
  [
    "long prompt",
    4,
    (draw, kind) => chat(kind, draw, { messages: [{ role: "user", content: words(draw, between(draw, 500, 2500)) }] }),
  ],
  ["left while streaming", 9, (draw, kind) => leaving(chat(kind, draw, long(draw)), { events: between(draw, 1, 20) })],
  ["left early", 6, (draw, kind) => leaving(chat(kind, draw, long(draw)), { ms: between(draw, 0, 400) })],
  ["embeddings", 12, (draw, kind) => read(kind, "/v1/embeddings", { model: "minilm", input: texts(draw) })],
  ["embeddings, left", 2, (draw, kind) => leaving(read(kind, "/v1/embeddings", { model: "minilm", input: Array.from({ length: 20 }, () => texts(draw)).flat() }), { ms: between(draw, 0, 60) })],
  ["rerank", 4, (draw, kind) => read(kind, "/v1/rerank", { model: "ranker", query: words(draw, 4), documents: texts(draw) })],
  ["classify", 4, (draw, kind) => read(kind, "/v1/classify", { model: "labels", input: texts(draw) })],
  ["another model", 4, (draw, kind) => read(kind, "/v1/completions", { model: "tiny", prompt: "abc", max_tokens: between(draw, 1, 60) })],
  ["error", 9, (draw) => errors[Math.floor(draw() * errors.length)]!],
]; // biome-ignore format: a kind a line

const long = (draw: Draw) => ({ max_tokens: 120, ...streamed(draw) });
const leaving = (ask: Ask, leaves: NonNullable<Ask["leaves"]>): Ask => ({ ...ask, leaves });
const read = (kind: string, path: string, body: object): Ask => ({ kind, path, body, status: 200 });

const wrong = (status: number, body: object | string, path = "/v1/chat/completions"): Ask => ({
  kind: `error ${status}`,
  ...{ path, body, status },
});
const hi = [{ role: "user", content: "hi" }];
const errors: readonly Ask[] = [
  wrong(400, "{ not json"),
  wrong(400, { model: MODEL, messages: [] }),
  wrong(400, { model: MODEL, messages: hi, temperature: "warm" }),
  wrong(400, { model: MODEL, messages: hi, n: 1e9 }),
  wrong(400, { model: MODEL, messages: [{ role: "user", content: "a b ".repeat(9000) }], max_tokens: 1 }),
  wrong(400, { model: "minilm", messages: hi }),
  wrong(400, { model: MODEL, input: "hi" }, "/v1/embeddings"),
  wrong(404, { model: "smollm3", messages: hi }),
  wrong(404, {}, "/v1/nothing"),
  wrong(405, {}, "/v1/models"),
  wrong(400, `${"[".repeat(50)}`),
];

/** Each kind as often as its weight. */
const bag = mix.flatMap(([kind, weight, make]) => Array.from({ length: weight }, () => ({ kind, make })));

/** The next request, by chance. */
export function nextAsk(draw: Draw): Ask {
  const { kind, make } = bag[Math.floor(draw() * bag.length)]!;
  return make(draw, kind);
}
