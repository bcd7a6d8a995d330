import type { Forest, Node, Ref } from "./forest.ts";
import { ALL, has, type Points, points, utf8Node, without } from "./points.ts";

/** Characters that a JSON string must escape with a backslash. */
const ESCAPED: Points = [[0, 0x1f], ...points('"'), ...points("\\")];
export const PLAIN: Points = without(ALL, ESCAPED);

/** The parts of the JSON grammar. */
export class Json {
  readonly quote: Node;
  /** One character of a string in any notation. A surrogate pair counts as one; a lone surrogate is not a character. */
  readonly char: Node;
  readonly space: Node;
  /** Any value. */
  readonly value: Ref;
  readonly object: Node;

  constructor(readonly forest: Forest) {
    const { text, alt, seq, bytes } = bound(forest);
    this.quote = text('"');
    const hex = this.set("0123456789abcdefABCDEF");
    const low = seq(this.set("dD"), bytes([[0x30, 0x37]]), hex, hex);
    const unicode = alt([seq(this.set("0123456789abcefABCEF"), hex, hex, hex), low]);
    const escaped = seq(text("\\"), alt([this.set('"\\/bfnrt'), seq(text("u"), unicode)]));
    this.char = alt([utf8Node(forest, PLAIN), escaped]);
    this.space = spaceNode(forest);
    this.value = forest.ref();
    this.object = this.braced(this.list(this.member(this.string(), this.value)));
    const array = this.bracketed(this.list(this.value));
    const words = ["true", "false", "null"].map(text);
    this.value.body = alt([this.string(), this.number(), this.object, array, ...words]);
  }

  /** One character from this set of ASCII characters. */
  set(characters: string): Node {
    return utf8Node(this.forest, points(characters));
  }

  /** One character of the set, as written in a string. */
  charOf(set: Points): Node {
    const { alt, text } = bound(this.forest);
    const escaped = ESCAPED.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    const written = escaped.filter((point) => has(set, point)).map((point) => text(escapeOf(point)));
    return alt([utf8Node(this.forest, without(set, ESCAPED)), ...written]);
  }

  string(content: Node = this.forest.repeat(this.char, 0)): Node {
    return this.forest.seq(this.quote, content, this.quote);
  }

  /** A number with no more digits than a double preserves, so it reads back unchanged. */
  number(): Node {
    const { text, alt, seq, repeat, optional } = bound(this.forest);
    const digit = this.set("0123456789");
    const exponent = seq(this.set("eE"), optional(this.set("+-")), repeat(digit, 1, 2));
    const whole = alt([text("0"), seq(this.set("123456789"), repeat(digit, 0, 14))]);
    return seq(optional(text("-")), whole, optional(seq(text("."), repeat(digit, 1, 15))), optional(exponent));
  }

  member(key: Node, value: Node): Node {
    return this.forest.seq(key, this.forest.text(":"), this.space, value);
  }

  /** `item`, preceded by a comma. */
  further(item: Node): Node {
    return this.forest.seq(this.forest.text(","), this.space, item);
  }

  /** A list of `min` to `max` items, separated by commas. */
  list(item: Node, min = 0, max = Number.POSITIVE_INFINITY): Node {
    if (max <= 0) return this.forest.empty;
    const some = this.forest.seq(item, this.forest.repeat(this.further(item), Math.max(0, min - 1), max - 1));
    return min > 0 ? some : this.forest.optional(some);
  }

  braced(content: Node): Node {
    return this.#within("{", content, "}");
  }

  bracketed(content: Node): Node {
    return this.#within("[", content, "]");
  }

  #within(open: string, content: Node, close: string): Node {
    const { text, seq, alt } = bound(this.forest);
    const inside = seq(this.space, content, this.space);
    // Empty content is written with one space, not two.
    const whole = content.nullable ? alt([inside, this.space]) : inside;
    return seq(text(open), whole, text(close));
  }

  /** A literal value without spaces, unlike a schema's objects, which may have them: `{"a": 1}`. */
  literal(value: unknown): Node {
    return this.forest.text(JSON.stringify(value));
  }
}

/** Optional white space, limited because small models tend to repeat it endlessly. */
export function spaceNode(forest: Forest): Node {
  const { text, alt, seq, repeat } = bound(forest);
  return alt([forest.empty, text(" "), seq(text("\n"), repeat(utf8Node(forest, points(" \t")), 0, 20))]);
}

const escapeOf = (point: number): string => JSON.stringify(String.fromCharCode(point)).slice(1, -1);

/** A forest's methods as free functions. */
export function bound(forest: Forest) {
  return {
    text: (text: string) => forest.text(text),
    bytes: forest.bytes.bind(forest),
    seq: forest.seq.bind(forest),
    alt: forest.alt.bind(forest),
    repeat: forest.repeat.bind(forest),
    optional: forest.optional.bind(forest),
  };
}
