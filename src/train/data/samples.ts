import type { VisualSpan } from "../../savings/plan.ts";
import { inFile, UserError } from "../../util/errors.ts";
import type { Segment, Tokenizer } from "../../weights/tokenizer/index.ts";
import type { PlacedImage, RankedList, SeenRow } from "./batch.ts";
import { type LabelledSegment, labelledChat } from "./chat-labels.ts";
import { got } from "./reading.ts";
import type {
  CompletionRecord,
  DataRecord,
  ListRecord,
  PlacedRecord,
  RankedRecord,
  SeenRecord,
  TextRecord,
} from "./records.ts";

/** A text's tokens without the last one; the label of each is the next token, or −1 if it is not trained on. */
export interface Sample {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  /** The list that the sample ranks, if any, with its position in the sample. */
  readonly list?: RankedList;
  /** The image among the sample's tokens, if any. */
  readonly image?: PlacedImage;
  /** The sample's images, if a frozen encoder has read them. */
  readonly seen?: SeenRow;
  /** The token grids of the sample's images, if any. */
  readonly visual?: readonly VisualSpan[];
  /** True if the sample's end was cut. */
  readonly cut?: true;
  /** The index of the sample's file in a mixture. */
  readonly source?: number;
}

/** Reads a list as a sample. @throws UserError */
export type ListReader = (record: RankedRecord | ListRecord) => Sample;

/** Reads a question about a picture as a sample. */
export type SeenReader = (record: SeenRecord) => Sample;

/** Makes a sample from a text's tokens, some of which are `labelled`. */
export type Arrange = (ids: readonly number[], labelled: readonly boolean[]) => Sample;

/** The tokens that are labels: for `answers`, completions and assistants' turns; for `all`, every token. */
export type LabelRule = "answers" | "all";

/** A method's own readers of samples. */
export interface SampleReaders {
  /** Reads lists; if absent, lists are rejected. */
  readonly readList?: ListReader | undefined;
  /** Arranges tokens into a sample; by default, each position predicts the next token. */
  readonly arrange?: Arrange | undefined;
  /** Reads questions about pictures, for vision models; if absent, these questions are rejected. */
  readonly readSeen?: SeenReader | undefined;
}

/**
 * Reads the samples of a language model. @throws UserError with file and line, also for samples longer than `longest`
 * tokens
 */
export const samplesOf = (
  records: readonly PlacedRecord[],
  tokenizer: Tokenizer,
  rule: LabelRule,
  readers: SampleReaders = {},
  longest = Number.POSITIVE_INFINITY,
): Sample[] =>
  records.map(({ where, record }) => inFile(where, () => atMost(longest, sampleOf(record, tokenizer, rule, readers))));

/** @throws UserError for a sample with more than `longest` tokens */
function atMost(longest: number, sample: Sample): Sample {
  if (sample.ids.length <= longest) return sample;
  throw new UserError(`the sample has ${sample.ids.length} tokens, expected at most ${longest}`);
}

function sampleOf(
  record: DataRecord,
  tokenizer: Tokenizer,
  rule: LabelRule,
  { readList, readSeen, arrange = shifted }: SampleReaders,
): Sample {
  if (readSeen && record.kind === "seen") return readSeen(record);
  if (readList && (record.kind === "ranked" || record.kind === "list")) return readList(record);
  const { before, segments, behind } = partsOf(record, tokenizer);
  const pieces = tokenizer.encodePieces(segments);
  const labelled = pieces.flatMap((ids, i) => ids.map(() => rule === "all" || segments[i]!.labelled));
  const ids = [...before, ...pieces.flat(), ...behind];
  const sample = arrange(ids, [...before.map(() => rule === "all"), ...labelled, ...behind.map(() => true)]);
  const visual = "visual" in record ? record.visual : undefined;
  if (visual) checkVisual(visual, ids.length);
  return { ...sample, ...(visual && { visual }) };
}

/** @throws UserError if images overlap, or lie outside a sample of `tokens` tokens */
function checkVisual(visual: readonly VisualSpan[], tokens: number): void {
  let free = 0;
  for (const { first, grid } of visual) {
    const end = first + grid[0] * grid[1];
    if (first < free || end > tokens)
      throw new UserError(
        `visual: expected images in order, without overlap, within ${tokens} tokens, got one at tokens ${first} to ${end - 1}`,
      );
    free = end;
  }
}

/** The parts of a sample; tokens in `behind` are always labels. */
interface SampleParts {
  readonly before: readonly number[];
  readonly segments: readonly LabelledSegment[];
  readonly behind: readonly number[];
}

function partsOf(record: DataRecord, tokenizer: Tokenizer): SampleParts {
  switch (record.kind) {
    case "text":
    case "completion":
      return { ...framed(tokenizer), segments: plain(record) };
    case "chat":
      return { before: [], segments: labelledChat(tokenizer, record), behind: [] };
    case "labelled":
    case "ranked":
    case "list":
    case "seen":
      throw new UserError(
        `expected "text", "prompt" and "completion", or "messages" to train a language model, got ${got(record)}`,
      );
  }
}

/** A prompt and its completion are encoded separately, as in generation. */
function plain(record: TextRecord | CompletionRecord): LabelledSegment[] {
  const segment = (text: string, labelled: boolean): LabelledSegment & Segment => ({ text, special: false, labelled });
  return "text" in record
    ? [segment(record.text, true)]
    : [segment(record.prompt, false), segment(record.completion, true)];
}

/** The tokens around a text: the tokenizer's start token, if it adds one, and its end token. */
export const framed = ({ addBos, bos, eos }: Tokenizer) => ({
  before: addBos ? [bos!] : [],
  behind: eos === undefined ? [] : [eos],
});

export function shifted(ids: readonly number[], labelled: readonly boolean[]): Sample {
  const count = Math.max(0, ids.length - 1);
  const labels = Int32Array.from({ length: count }, (_, i) => (labelled[i + 1] ? ids[i + 1]! : -1));
  return { ids: Int32Array.from(ids.slice(0, count)), labels };
}
