import { UserError } from "../../../util/errors.ts";
import { byteClasses } from "./byte-classes.ts";
import type { Forest, Node } from "./forest.ts";
import { spaceNode } from "./json.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The maximum number of nodes that one token may visit; a grammar that needs more is too ambiguous. */
const MOST_WORK = 3_000_000;
/** The maximum number of stored states and nodes; beyond this limit they are rebuilt when needed. */
const MOST_STATES = 20_000;
const MOST_NODES = 400_000;
/** The maximum size of all stored masks, in bytes. */
const MOST_MASKS = 1 << 22;

const UNKNOWN = -2;
const DEAD = -1;

/** A point in a text: the set of texts that may follow. */
interface State {
  readonly node: Node;
  /** The state after each class of bytes, `DEAD`, or `UNKNOWN` until it is computed. */
  readonly next: Int32Array;
  mask: Uint32Array | undefined;
}

/** An automaton that constrains answers; its states, with the tokens they allow, are built when answers reach them. */
export class Grammar {
  readonly #classOf: Uint8Array;
  readonly #classes: number;
  #states: State[] = [];
  readonly #ids = new Map<Node, number>();
  #maskBytes = 0;
  /** The root, preceded by white space. */
  readonly spaced: Node;

  constructor(
    private readonly forest: Forest,
    readonly root: Node,
    private readonly vocabulary: Vocabulary,
  ) {
    this.spaced = forest.seq(spaceNode(forest), root);
    [this.#classOf, this.#classes] = byteClasses(this.spaced);
  }

  /** One bit per token that may come next if `node` remains; includes stop tokens if `node` may be empty. */
  mask(node: Node): Uint32Array {
    return this.#bounded(() => {
      const id = this.#idOf(node);
      const state = this.#states[id]!;
      state.mask ??= this.#maskAt(id);
      return state.mask;
    });
  }

  /** The node that remains after a token; undefined if the token is not allowed. */
  after(node: Node, token: number): Node | undefined {
    return this.afterBytes(node, this.vocabulary.bytesOf(token));
  }

  /** Like `after`, but for any bytes instead of a token. */
  afterBytes(node: Node, bytes: Iterable<number>): Node | undefined {
    return this.#bounded(() => {
      let state = this.#idOf(node);
      for (const byte of bytes) {
        if (state === DEAD) return undefined;
        state = this.#step(state, byte);
      }
      return this.#states[state]?.node;
    });
  }

  get stops(): ReadonlySet<number> {
    return this.vocabulary.stops;
  }

  #bounded<T>(work: () => T): T {
    if (this.#states.length > MOST_STATES || this.forest.size > MOST_NODES || this.#maskBytes > MOST_MASKS)
      this.#forget();
    return this.forest.within(MOST_WORK, ambiguous, work);
  }

  #forget(): void {
    this.#states = [];
    this.#ids.clear();
    this.#maskBytes = 0;
    this.forest.forget();
  }

  #idOf(node: Node): number {
    const known = this.#ids.get(node);
    if (known !== undefined) return known;
    const id = this.#states.length;
    this.#states.push({ node, next: new Int32Array(this.#classes).fill(UNKNOWN), mask: undefined });
    this.#ids.set(node, id);
    return id;
  }

  #step(state: number, byte: number): number {
    const { node, next } = this.#states[state]!;
    const known = next[this.#classOf[byte]!]!;
    if (known !== UNKNOWN) return known;
    const rest = this.forest.after(node, byte);
    const id = rest.kind === "none" ? DEAD : this.#idOf(rest);
    next[this.#classOf[byte]!] = id;
    return id;
  }

  #maskAt(state: number): Uint32Array {
    const mask = new Uint32Array(Math.ceil(this.vocabulary.size / 32));
    this.#maskBytes += mask.byteLength;
    const allow = (id: number) => {
      mask[id >>> 5]! |= 1 << (id & 31);
    };
    this.#walk(state, allow);
    if (this.#states[state]!.node.nullable) for (const id of this.vocabulary.stops) allow(id);
    return mask;
  }

  /** Walks the vocabulary's tree, following only texts that the state allows. */
  #walk(state: number, allow: (id: number) => void): void {
    const { bytes, depths, ends, tokens, twins } = this.vocabulary;
    const path: number[] = [state];
    for (let i = 0; i < bytes.length; ) {
      const depth = depths[i]!;
      const at = this.#step(path[depth]!, bytes[i]!);
      if (at === DEAD) {
        i = ends[i]!;
        continue;
      }
      path[depth + 1] = at;
      const token = tokens[i]!;
      if (token >= 0) {
        allow(token);
        if (twins.size > 0) for (const twin of twins.get(token) ?? []) allow(twin);
      }
      i++;
    }
  }
}

const ambiguous = () => new UserError("the format is too ambiguous to enforce; simplify it");
