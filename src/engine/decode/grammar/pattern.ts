import { type AST, RegExpParser } from "@eslint-community/regexpp";
import { UserError } from "../../../util/errors.ts";
import type { Forest, Node } from "./forest.ts";
import { bound, type Json } from "./json.ts";
import { ALL, type Points, points, union, utf8Node, without } from "./points.ts";

const LINE_ENDS = points("\n\r\u2028\u2029");
const SETS: Readonly<Record<"any" | "digit" | "space" | "word", Points>> = {
  any: without(ALL, LINE_ENDS),
  digit: points("0123456789"),
  space: union([...points("\t\v\f \u00a0\u1680\u202f\u205f\u3000\ufeff"), [0x2000, 0x200a], ...LINE_ENDS]),
  word: union([[0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a], ...points("_")]),
};

const MOST_CHARACTERS = 2000;
const MOST_REPEATS = 100_000;

/** Lengths of texts, in characters. */
export interface Lengths {
  readonly min: number;
  readonly max: number;
}

/**
 * The content of JSON strings that contain a match of an ECMAScript regular expression, as in JSON Schema: anywhere,
 * unless the expression is anchored.
 * @throws UserError if the expression is invalid, or has parts that a grammar cannot express
 */
export function patternNode(json: Json, source: string, { min, max }: Lengths): Node {
  const { forest } = json;
  const alternatives = parsed(source).alternatives.map(({ elements }) => anchored(elements));
  const whole = alternatives.map(({ elements, start, end }) => {
    const inner = new Reader(json).sequence(elements);
    const own = lengthsOf(elements, start && end);
    if (own.min >= min && own.max <= max) return padded(json, inner, start, end);
    const limited = start && end ? limitedTo(json, elements, { min, max }) : undefined;
    if (limited) return limited;
    throw cannot(`"minLength" or "maxLength" with this "pattern" or "format"`);
  });
  return forest.alt(whole);
}

/**
 * Texts that match an ECMAScript regular expression as a whole; ignores its flags.
 * @throws UserError if it has parts that a grammar cannot express
 */
export function regexNode(forest: Forest, { source }: RegExp): Node {
  const reader = new Reader({ forest, charOf: (set) => utf8Node(forest, set) });
  return forest.alt(parsed(source).alternatives.map(({ elements }) => reader.sequence(anchored(elements).elements)));
}

function padded(json: Json, inner: Node, start: boolean, end: boolean): Node {
  const any = json.forest.repeat(json.charOf(ALL), 0);
  return json.forest.seq(...(start ? [] : [any]), inner, ...(end ? [] : [any]));
}

/** `^[a-z]+$` with a limited number of characters. */
function limitedTo(json: Json, elements: readonly AST.Element[], { min, max }: Lengths): Node | undefined {
  const [only, ...others] = elements;
  if (others.length > 0 || only?.type !== "Quantifier" || widthOf(only.element) !== 1) return undefined;
  const part = new Reader(json).element(only.element);
  const node = json.forest.repeat(part, Math.max(min, only.min), Math.min(max, only.max));
  return Math.max(min, only.min) > Math.min(max, only.max) ? json.forest.none : node;
}

function widthOf(element: AST.Element): number | undefined {
  const { min, max } = lengthsOf([element], true);
  return min === max ? min : undefined;
}

const cannot = (what: string) => new UserError(`${what} cannot be enforced`);

function parsed(source: string): AST.Pattern {
  if (source.length > MOST_CHARACTERS)
    throw new UserError(`a pattern has ${source.length} characters, expected at most ${MOST_CHARACTERS}`);
  const parser = new RegExpParser({ ecmaVersion: 2023 });
  const parse = (unicode: boolean) => parser.parsePattern(source, 0, source.length, { unicode, unicodeSets: false });
  try {
    return parse(true);
  } catch {
    try {
      return parse(false);
    } catch (error) {
      throw new UserError(`a pattern is not a regular expression: ${String((error as Error).message).slice(0, 120)}`);
    }
  }
}

interface AnchoredTerms {
  readonly elements: readonly AST.Element[];
  readonly start: boolean;
  readonly end: boolean;
}

/** Removes anchors at the ends; anchors elsewhere cannot be expressed. */
function anchored(elements: readonly AST.Element[]): AnchoredTerms {
  const start = elements[0]?.type === "Assertion" && elements[0].kind === "start";
  const inner = start ? elements.slice(1) : elements;
  const last = inner.at(-1);
  const end = last?.type === "Assertion" && last.kind === "end";
  return { elements: end ? inner.slice(0, -1) : inner, start, end };
}

/** The length range of texts that match the elements, plus any text around them unless `whole`. */
function lengthsOf(elements: readonly AST.Element[], whole: boolean): Lengths {
  const each = elements.map(lengthOf);
  const max = each.reduce((sum, { max }) => sum + max, 0);
  return { min: each.reduce((sum, { min }) => sum + min, 0), max: whole ? max : Number.POSITIVE_INFINITY };
}

function lengthOf(element: AST.Element): Lengths {
  switch (element.type) {
    case "Group":
    case "CapturingGroup": {
      const each = element.alternatives.map(({ elements }) => lengthsOf(elements, true));
      return { min: Math.min(...each.map(({ min }) => min)), max: Math.max(...each.map(({ max }) => max)) };
    }
    case "Quantifier": {
      const { min, max } = lengthOf(element.element);
      return { min: min * element.min, max: max === 0 ? 0 : max * element.max };
    }
    default:
      return { min: 1, max: 1 };
  }
}

/** Builds nodes for the parts of an expression. */
class Reader {
  /** `json` writes characters as in a JSON string; another `charOf` may write them unescaped. */
  constructor(private readonly json: Pick<Json, "forest" | "charOf">) {}

  sequence(elements: readonly AST.Element[]): Node {
    return this.json.forest.seq(...elements.map((element) => this.element(element)));
  }

  element(element: AST.Element): Node {
    const { alt, repeat } = bound(this.json.forest);
    switch (element.type) {
      case "Character":
      case "CharacterSet":
      case "CharacterClass":
        return this.json.charOf(setOf(element));
      case "Group":
      case "CapturingGroup":
        return alt(element.alternatives.map(({ elements }) => this.sequence(elements)));
      case "Quantifier": {
        const { min, max } = element;
        if (min > MOST_REPEATS) throw new UserError(`a pattern repeats ${min} times, expected at most ${MOST_REPEATS}`);
        return repeat(this.element(element.element), min, max);
      }
      case "Assertion":
      case "Backreference":
      case "ExpressionCharacterClass":
        throw cannot(`"${element.raw.slice(0, 40)}" in a pattern`);
    }
  }
}

type SetElement = AST.CharacterClassElement | AST.Character | AST.CharacterSet | AST.CharacterClass;

function setOf(element: SetElement): Points {
  switch (element.type) {
    case "Character":
      return range(element.value, element.value);
    case "CharacterClassRange":
      return range(element.min.value, element.max.value);
    case "CharacterSet": {
      if (element.kind === "property") throw cannot(`"${element.raw.slice(0, 40)}" in a pattern`);
      const set = SETS[element.kind];
      return "negate" in element && element.negate ? without(ALL, set) : set;
    }
    case "CharacterClass": {
      const set = union((element.elements as SetElement[]).flatMap((inner) => [...setOf(inner)]));
      return element.negate ? without(ALL, set) : set;
    }
    default:
      throw cannot(`"${element.raw.slice(0, 40)}" in a pattern`);
  }
}

const range = (from: number, to: number): Points => without([[from, to]], [[0xd800, 0xdfff]]);
