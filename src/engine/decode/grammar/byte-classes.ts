import type { Node, Range } from "./forest.ts";

/** Maps bytes to classes: two bytes share a class if nothing in `root` distinguishes them. Also returns the number of classes. */
export function byteClasses(root: Node): [classOf: Uint8Array, classes: number] {
  const begins = new Set([0]);
  for (const node of reachable(root))
    for (const [from, to] of rangesOf(node)) {
      begins.add(from);
      begins.add(to + 1);
    }
  begins.delete(256);
  const starts = [...begins].sort((a, b) => a - b);
  const classOf = new Uint8Array(256);
  for (const [i, start] of starts.entries()) classOf.fill(i, start);
  return [classOf, starts.length];
}

function rangesOf(node: Node): readonly Range[] {
  if (node.kind === "bytes") return node.ranges;
  return node.kind === "text" ? [...Buffer.from(node.bytes, "latin1")].map((byte) => [byte, byte]) : [];
}

/** `root` and all nodes inside it. */
export function reachable(root: Node): Set<Node> {
  const seen = new Set([root]);
  // A set's iterator also visits items added during the iteration.
  for (const node of seen) for (const part of partsOf(node)) seen.add(part);
  return seen;
}

/** The direct parts of a node. */
export function partsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "none":
    case "empty":
    case "bytes":
    case "text":
      return [];
    case "seq":
      return [node.head, node.tail];
    case "alt":
      return node.parts;
    case "repeat":
      return [node.part];
    case "ref":
      return [node.body];
  }
}
