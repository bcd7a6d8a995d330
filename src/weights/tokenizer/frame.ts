import { z } from "zod";
import { component, kind } from "./component.ts";

/** A special token or one of the texts, with its segment (token type). */
export type FramePiece = { id: number; type: number } | { text: "A" | "B"; type: number };

/** The tokens that a model expects around one text, and around two. */
export interface Frame {
  single: readonly FramePiece[];
  pair: readonly FramePiece[];
}

/** An encoder's input: ids, and the text to which each id belongs (0 or 1, `token_type_ids`). */
export interface Input {
  ids: number[];
  types: number[];
  /** The number of leading ids that other ids attend to; default: all. */
  seen?: number;
}

export const BARE: Frame = {
  single: [{ text: "A", type: 0 }],
  pair: [
    { text: "A", type: 0 },
    { text: "B", type: 1 },
  ],
};

/** A frame with tokens before and after each text. */
export function surround(before: readonly number[], behind: readonly number[]): Frame {
  const around = (text: "A" | "B", type: number): FramePiece[] => [
    ...before.map((id) => ({ id, type })),
    { text, type },
    ...behind.map((id) => ({ id, type })),
  ];
  return { single: around("A", 0), pair: [...around("A", 0), ...around("B", 1)] };
}

/** BERT's frame: one token before everything, one after each text. */
export function bertFrame(cls: number, sep: number, secondType = 1): Frame {
  const single: FramePiece[] = [
    { id: cls, type: 0 },
    { text: "A", type: 0 },
    { id: sep, type: 0 },
  ];
  return { single, pair: [...single, { text: "B", type: secondType }, { id: sep, type: secondType }] };
}

/** RoBERTa's frame: two separators between the texts of a pair, and a single segment. */
export function robertaFrame(cls: number, sep: number): Frame {
  const { single, pair } = bertFrame(cls, sep, 0);
  return { single, pair: [...single, { id: sep, type: 0 }, ...pair.slice(single.length)] };
}

/** Frames the texts' ids, cut to `limit` ids in total, the longer text first, as in transformers' `longest_first`. */
export function framed(
  { single, pair }: Frame,
  a: readonly number[],
  b: readonly number[] | undefined,
  limit: number,
): Input {
  const pieces = b === undefined ? single : pair;
  const room = Math.max(0, limit - pieces.filter((piece) => "id" in piece).length);
  const [lengthA, lengthB] = shares(a.length, b?.length ?? 0, room);
  const parts = pieces.map((piece) => {
    if ("id" in piece) return { ids: [piece.id], type: piece.type };
    return { ids: piece.text === "A" ? a.slice(0, lengthA) : b!.slice(0, lengthB), type: piece.type };
  });
  return { ids: parts.flatMap(({ ids }) => ids), types: parts.flatMap(({ ids, type }) => ids.map(() => type)) };
}

function shares(a: number, b: number, room: number): [number, number] {
  if (a + b <= room) return [a, b];
  const [less, more] = a <= b ? [a, b] : [b, a];
  const half = Math.floor(room / 2);
  const [short, long] = less > half ? [half, room - half] : [less, Math.min(more, room - less)];
  return a <= b ? [short, long] : [long, short];
}

const tokenAndId = z.tuple([z.string(), z.int().min(0)]);
const templatePiece = z.union([
  z.object({ SpecialToken: z.object({ id: z.string(), type_id: z.int() }) }),
  z.object({ Sequence: z.object({ id: z.enum(["A", "B"]), type_id: z.int() }) }),
]);
const template = z.object({
  single: z.array(templatePiece),
  pair: z.array(templatePiece),
  special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int().min(0)) })),
});

function pieces(
  list: z.output<typeof template>["single"],
  tokens: z.output<typeof template>["special_tokens"],
): FramePiece[] {
  return list.flatMap((piece): FramePiece[] => {
    if ("Sequence" in piece) return [{ text: piece.Sequence.id, type: piece.Sequence.type_id }];
    const { id, type_id: type } = piece.SpecialToken;
    return (tokens[id]?.ids ?? []).map((id) => ({ id, type }));
  });
}

const edges = z.object({ sep: tokenAndId, cls: tokenAndId });

const kinds = {
  ByteLevel: kind(z.unknown(), (): Frame => BARE),
  BertProcessing: kind(edges, ({ cls, sep }): Frame => bertFrame(cls[1], sep[1])),
  RobertaProcessing: kind(edges, ({ cls, sep }): Frame => robertaFrame(cls[1], sep[1])),
  TemplateProcessing: kind(template, ({ single, pair, special_tokens }): Frame => {
    return { single: pieces(single, special_tokens), pair: pieces(pair, special_tokens) };
  }),
  Sequence: kind(z.object({ processors: z.array(z.unknown()) }), ({ processors }): Frame => {
    return processors.map(frameOf).findLast((frame) => frame !== BARE) ?? BARE;
  }),
};

/** The frame of a tokenizer.json's `post_processor`. @throws UserError if it is not supported */
export const frameOf = (specification: unknown): Frame => component<Frame>("post-processor", kinds, specification);
