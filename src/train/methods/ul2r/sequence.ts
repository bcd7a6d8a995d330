import { UserError } from "../../../util/errors.ts";
import { type Denoiser, modeOf } from "./denoisers.ts";
import { mostRuns, spanMask } from "./spans.ts";
import type { DenoisingIds } from "./tokens.ts";

/** A text as a denoising task: the mode, inputs and targets, concatenated. */
export interface Sequence {
  readonly ids: readonly number[];
  /** The number of mode and input tokens, which are not labels and may attend to each other in both directions. */
  readonly prefix: number;
}

/** Makes a denoiser's inputs and targets from a text. @throws UserError if hidden spans outnumber sentinels */
export function sequenceOf(
  text: ArrayLike<number>,
  denoiser: Denoiser,
  tokens: DenoisingIds,
  random: () => number,
): Sequence {
  const { inputs, targets } =
    denoiser.kind === "S"
      ? splitAt(text, pivotOf(text.length, denoiser.tail, random))
      : hiddenSpans(text, spanMask(text.length, denoiser, random), tokens);
  return { ids: [tokens.modes[modeOf(denoiser)], ...inputs, ...targets], prefix: 1 + inputs.length };
}

interface Parts {
  readonly inputs: readonly number[];
  readonly targets: readonly number[];
}

/** The position from 1 to length − 1 at which the hidden part begins. */
const pivotOf = (length: number, tail: number | undefined, random: () => number): number =>
  tail === undefined
    ? 1 + Math.floor(random() * (length - 1))
    : Math.min(Math.max(length - Math.round(tail * length), 1), length - 1);

function splitAt(text: ArrayLike<number>, pivot: number): Parts {
  const all = Array.from(text);
  return { inputs: all.slice(0, pivot), targets: all.slice(pivot) };
}

/** Replaces each hidden span in the inputs with a sentinel; the targets list the spans, each after its sentinel. */
export function hiddenSpans(text: ArrayLike<number>, mask: Uint8Array, { sentinels, end }: DenoisingIds): Parts {
  const [inputs, targets]: [number[], number[]] = [[], []];
  let runs = 0;
  for (let i = 0; i < text.length; i++) {
    if (mask[i] === 0) inputs.push(text[i]!);
    else {
      if (i === 0 || mask[i - 1] === 0) {
        const sentinel = sentinels[runs++];
        if (sentinel === undefined)
          throw new UserError(`ul2r: a text of ${text.length} tokens needs more than ${sentinels.length} sentinels`);
        inputs.push(sentinel);
        targets.push(sentinel);
      }
      targets.push(text[i]!);
    }
  }
  return { inputs, targets: end === undefined ? targets : [...targets, end] };
}

/** The maximum length of a text's sequence, in tokens. */
const lengthOf = (length: number, denoiser: Denoiser): number =>
  denoiser.kind === "S" ? 1 + length : 2 + length + 2 * mostRuns(length, denoiser);

/** The length of the longest text, at most `most`, whose sequence fits in `room` tokens; undefined below two tokens. */
export function longestText(most: number, room: number, denoiser: Denoiser): number | undefined {
  for (let length = Math.min(most, room - 1); length >= 2; length--)
    if (lengthOf(length, denoiser) <= room) return length;
  return undefined;
}
