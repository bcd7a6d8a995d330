import { addSpent, type Spent } from "../../../graph/index.ts";
import { rowWidth } from "../../../models/images/vision.ts";
import { UserError } from "../../../util/errors.ts";
import {
  type ChatMessage,
  chatSegments,
  type TemplateVariables,
  type Tokenizer,
  withGaps,
} from "../../../weights/tokenizer/index.ts";
import type { ImageBill } from "../../bill/meter.ts";
import { Stopwatch } from "../../bill/stopwatch.ts";
import type { ImageInput } from "../../images/pixels/input.ts";
import { checkTokens } from "../answer/sequence.ts";
import type { LanguageModel } from "../language-model.ts";
import { isIds, type Prompt, turnsOf } from "../prompt.ts";
import { promptOfSpans, type SpannedPrompt } from "../run/spans.ts";
import type { Tool } from "../tools/tools.ts";
import type { SeenImage, UnreadImage } from "./image-reader.ts";

/** A prompt with images, as the engine reads it. */
export interface SeenPrompt extends SpannedPrompt {
  readonly images: ImageBill;
  /** Measures the time since the request arrived. */
  readonly time: Stopwatch;
}

/** The error for images sent to a model without an image encoder. */
export const blind = (model: string): UserError =>
  new UserError(`${model} reads only text, but got an image; expected a model that reads images, such as LLaVA`, 2);

/** The options for reading a prompt (see `LanguageModel.formOf`), and the functions that the model may call. */
interface Reading {
  readonly raw?: boolean | undefined;
  readonly tools: readonly Tool[];
  readonly adapter?: string | undefined;
  readonly variables?: TemplateVariables | undefined;
}

/**
 * Token ids of a prompt with one token for each image. In a text, images come first. In a chat, they replace its parts
 * `{ type: "image" }`, in order; without such parts, they come first in the last user turn.
 * @throws UserError like `LanguageModel.encode`
 */
export function encodeWithPlaces(
  model: LanguageModel,
  prompt: Prompt,
  images: number,
  { raw, tools, adapter, variables }: Reading,
): number[] {
  const { tokenizer, vision: reader } = model;
  if (!reader || isIds(prompt)) return model.encode(prompt, raw, tools, adapter, variables);
  if (model.formOf(prompt, raw, adapter) === "chat")
    return model.encode(
      readableTurns(tokenizer, withPlaces(turnsOf(prompt), images)),
      false,
      tools,
      adapter,
      variables,
    );
  const first = beginningOf(tokenizer);
  const { imageToken } = reader.vision.config;
  const alone = Array.from({ length: images }, () => ({ text: tokenizer.text(imageToken), special: true }));
  const places = reader.gap
    ? tokenizer.encodeSegments(withGaps(alone, reader.gap))
    : new Array<number>(images).fill(imageToken);
  return [...first, ...places, ...model.encode(prompt, raw, tools, adapter).slice(first.length)];
}

/**
 * Reads images, and puts their rows in place of their tokens in a prompt's ids. The headers give the prompt's length
 * before any image is decoded.
 * @throws UserError if an image cannot be read, the prompt is too long, or the numbers of places and images differ
 */
export async function seenPrompt(
  { source, vision: reader, decoder, engine }: LanguageModel,
  ids: readonly number[],
  images: readonly ImageInput["image"][],
  time: Stopwatch = new Stopwatch(),
  signal?: AbortSignal,
): Promise<SeenPrompt> {
  if (!reader) throw blind(source.name);
  if (decoder.config.wholeImages && engine.programs.device !== "cpu")
    throw new UserError(`${source.name} reads images only on the CPU; load it there, or send no image`, 2);
  const { imageToken } = reader.vision.config;
  const places = ids.filter((id) => id === imageToken).length;
  if (places !== images.length)
    throw new UserError(`the prompt has places for ${places} images, but got ${images.length}`, 2);
  time.enter("encode");
  const unread: UnreadImage[] = [];
  for (const [i, image] of images.entries()) unread.push(await reader.readHeader({ image }, i));
  const tokens = ids.length - places + sumOf(unread, "tokens");
  checkTokens({ tokens, ofImages: sumOf(unread, "rows") }, decoder.config.context);
  const seen: SeenImage[] = [];
  for (const image of unread) {
    signal?.throwIfAborted();
    seen.push(await image.read());
  }
  time.enter("prefill");
  const { between } = await import("./placed-image.ts");
  const spans = between(
    ids,
    imageToken,
    seen.map((image) => image.spans),
  );
  return { ...promptOfSpans(spans, rowWidth(reader.vision.config)), images: billOf(seen), time };
}

const beginningOf = ({ addBos, bos }: Tokenizer): number[] => (addBos && bos !== undefined ? [bos] : []);

/** A chat with placeholders for its images. @throws UserError if it has a video */
function withPlaces(turns: readonly ChatMessage[], images: number): readonly ChatMessage[] {
  const has = (of: (part: unknown) => boolean) =>
    turns.some(({ content }) => Array.isArray(content) && content.some(of));
  if (has((part) => isPart(part, "video")))
    throw new UserError("a chat has a video; expected only texts and images, such as single frames of the video", 2);
  if (images === 0) return turns;
  if (has(isPlace)) return turns;
  const last = turns.findLastIndex(({ role }) => role === "user");
  const places = Array.from({ length: images }, () => ({ type: "image" }));
  return turns.map((turn, i) => (i === last ? { ...turn, content: [...places, ...partsOf(turn)] } : turn));
}

const isPlace = (part: unknown): boolean => isPart(part, "image");

const isPart = (part: unknown, type: string): boolean =>
  typeof part === "object" && part !== null && "type" in part && part.type === type;

function billOf(images: readonly SeenImage[]): ImageBill {
  const spent: Spent = { flops: 0, bytes: 0 };
  for (const image of images) addSpent(spent, image.spent);
  return { tokens: images.reduce((sum, { rows }) => sum + rows, 0), spent };
}

const sumOf = (images: readonly UnreadImage[], what: "rows" | "tokens"): number =>
  images.reduce((sum, image) => sum + image[what], 0);

/** A placeholder for a turn's text. */
const MARK = "mark";

const known = new WeakMap<Tokenizer, boolean>();

/** A chat in the format that a model's template reads: many templates for images ignore text outside parts. */
export const readableTurns = (tokenizer: Tokenizer, turns: readonly ChatMessage[]): readonly ChatMessage[] =>
  showsTexts(tokenizer)
    ? turns
    : turns.map((turn) => (typeof turn.content === "string" ? { ...turn, content: partsOf(turn) } : turn));

/** A turn's content as parts. */
const partsOf = ({ content }: ChatMessage) => (Array.isArray(content) ? content : [{ type: "text", text: content }]);

function showsTexts(tokenizer: Tokenizer): boolean {
  const shows = known.get(tokenizer) ?? rendered(tokenizer).includes(MARK);
  known.set(tokenizer, shows);
  return shows;
}

/** Renders a text turn with the template; "" if the template rejects it. */
function rendered(tokenizer: Tokenizer): string {
  try {
    const segments = chatSegments(tokenizer, [{ role: "user", content: MARK }], { addGenerationPrompt: true });
    return segments.map(({ text }) => text).join("");
  } catch (error) {
    if (error instanceof UserError) return "";
    throw error;
  }
}
