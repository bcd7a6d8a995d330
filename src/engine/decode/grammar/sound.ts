import { UserError } from "../../../util/errors.ts";
import { partsOf, reachable } from "./byte-classes.ts";
import type { Forest, Node, Ref } from "./forest.ts";

/**
 * Removes branches of `root` that match no finite text, so that any partial text can be completed.
 * @throws UserError if nothing is left, or if a part refers to itself without a character in between
 */
export function sound(forest: Forest, root: Node): Node {
  const nodes = [...reachable(root)];
  for (const node of nodes) if (node.kind === "ref") refuseLoop(node);
  const ending = endingOf(nodes);
  if (ending.size === nodes.length) return root;
  const keep = (node: Node): Node => (ending.has(node) ? mapEdges(forest, node, keep) : forest.none);
  for (const node of nodes) if (node.kind === "ref") node.body = keep(node.body);
  const whole = keep(root);
  if (whole.kind === "none") throw new UserError("the schema cannot be satisfied: no finite value matches it");
  return whole;
}

function mapEdges(forest: Forest, node: Node, keep: (node: Node) => Node): Node {
  switch (node.kind) {
    case "seq": {
      const parts: Node[] = [];
      let rest: Node = node;
      for (; rest.kind === "seq"; rest = rest.tail) parts.push(keep(rest.head));
      return forest.seq(...parts, keep(rest));
    }
    case "alt":
      return forest.alt(node.parts.map(keep));
    case "repeat":
      return forest.repeat(keep(node.part), node.min, node.max);
    default:
      return node;
  }
}

/** The nodes that match at least one finite text. */
function endingOf(nodes: readonly Node[]): ReadonlySet<Node> {
  const ending = new Set<Node>();
  for (let before = -1; before < ending.size; ) {
    before = ending.size;
    for (const node of nodes.toReversed()) if (ends(node, ending)) ending.add(node);
  }
  return ending;
}

function ends(node: Node, known: ReadonlySet<Node>): boolean {
  switch (node.kind) {
    case "none":
      return false;
    case "empty":
    case "bytes":
    case "text":
      return true;
    case "seq":
      return known.has(node.head) && known.has(node.tail);
    case "alt":
      return node.parts.some((part) => known.has(part));
    case "repeat":
      return node.min <= 0 || known.has(node.part);
    case "ref":
      return known.has(node.body);
  }
}

/** @throws UserError if `ref` begins with itself */
function refuseLoop(ref: Ref): void {
  const seen = new Set<Node>([ref.body]);
  for (const node of seen) {
    if (node === ref) throw new UserError("the schema cannot be satisfied: it refers to itself without end");
    for (const first of firstsOf(node)) seen.add(first);
  }
}

/** The parts that a text of the node may begin with. */
const firstsOf = (node: Node): readonly Node[] =>
  node.kind === "seq" && !node.head.nullable ? [node.head] : partsOf(node);
