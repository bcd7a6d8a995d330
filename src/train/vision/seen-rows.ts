import { promptOfSpans } from "../../engine/decode/run/spans.ts";
import { ImageReader, type SeenImage } from "../../engine/decode/vision/image-reader.ts";
import { between } from "../../engine/decode/vision/placed-image.ts";
import { readableTurns } from "../../engine/decode/vision/seen-prompt.ts";
import { rowWidth } from "../../models/images/vision.ts";
import { UserError } from "../../util/errors.ts";
import { gigabytes, memoryLimit } from "../../weights/prepared/memory.ts";
import type { ChatMessage, Tokenizer } from "../../weights/tokenizer/index.ts";
import { labelledChat } from "../data/chat-labels.ts";
import type { SeenRecord } from "../data/records.ts";
import { framed, type Sample, type SeenReader, shifted } from "../data/samples.ts";
import type { DataFile } from "../data/source.ts";
import type { TrainOptions } from "../options.ts";
import { type Base, sourceOf } from "../subject/subject.ts";
import { picturesIn } from "./pictures.ts";

/** Reads samples with images; `flops` is the cost of encoding the images. */
export interface ReadImages {
  readonly read: SeenReader;
  /** FLOPs of the image encoder. */
  readonly flops: number;
}

/** Encodes all pictures of a run's data once, because the encoder is frozen. @throws UserError */
export async function encodeImages(
  files: readonly DataFile[],
  base: Base,
  quant: TrainOptions["quant"],
): Promise<ReadImages | undefined> {
  const pictures = picturesIn(files);
  if (pictures.length === 0) return undefined;
  const { checkpoint, tokenizer } = base;
  using reader = await ImageReader.open(sourceOf(base), checkpoint, quant, tokenizer);
  let rows = 0;
  for (const [i, image] of pictures.entries()) rows += (await reader.readHeader({ image }, i)).rows;
  checkRows(rows, rowWidth(reader.vision.config), memoryLimit());
  const seen = new Map<string, SeenImage>();
  for (const [i, image] of pictures.entries()) seen.set(image, await (await reader.readHeader({ image }, i)).read());
  const flops = [...seen.values()].reduce((sum, { spent }) => sum + spent.flops, 0);
  const { vision, gap } = reader;
  return { read: (record) => sampleOf(record, seen.get(record.image)!, tokenizer, { vision, gap }), flops };
}

/** @throws UserError if image rows, which stay in memory as floats, take more than half of the memory */
export function checkRows(rows: number, width: number, memory: number): void {
  const bytes = 4 * rows * width;
  if (bytes <= memory / 2) return;
  const size = `${gigabytes(bytes)} of memory (${rows.toLocaleString("en")} rows of ${width} numbers)`;
  throw new UserError(
    `the data's images take ${size}, more than half of this machine's ${gigabytes(memory)}; train on fewer images`,
  );
}

type Placing = Pick<ImageReader, "vision" | "gap">;

/** Makes a chat sample from questions about a picture; answers are the labels. @throws UserError */
function sampleOf(record: SeenRecord, image: SeenImage, tokenizer: Tokenizer, { vision, gap }: Placing): Sample {
  const { imageToken } = vision.config;
  const written =
    tokenizer.templates.chat === undefined ? plain(record, tokenizer, imageToken) : chat(record, tokenizer, gap);
  const at = written.findIndex(({ id }) => id === imageToken);
  if (at < 0) throw new UserError("the chat template has no place for the image");
  const spans = between(
    written.map(({ id }) => id),
    imageToken,
    [image.spans],
  );
  const { prompt, embeddings, visual } = promptOfSpans(spans, rowWidth(vision.config));
  const more = prompt.length - written.length;
  const labelled = prompt.map((_, i) =>
    i < at ? written[i]!.label : i <= at + more ? false : written[i - more]!.label,
  );
  const { ids, labels } = shifted(
    prompt.map((id) => (id < 0 ? imageToken : id)),
    labelled,
  );
  return {
    ids,
    labels,
    seen: { prompt: prompt.slice(0, ids.length), embeddings },
    ...(visual.length > 0 && { visual }),
  };
}

/** A token; `label` is true if it is a label. */
interface RowToken {
  readonly id: number;
  readonly label: boolean;
}

function chat({ questions }: SeenRecord, tokenizer: Tokenizer, gap: Placing["gap"]): RowToken[] {
  const turns = questions.flatMap(({ prompt, answer }, i): ChatMessage[] => {
    const content = [...(i === 0 ? [{ type: "image" }] : []), { type: "text", text: prompt }];
    return [
      { role: "user", content },
      { role: "assistant", content: answer },
    ];
  });
  const segments = labelledChat(tokenizer, { messages: readableTurns(tokenizer, turns), gap });
  const pieces = tokenizer.encodePieces(segments);
  return pieces.flatMap((ids, i) => ids.map((id) => ({ id, label: segments[i]!.labelled })));
}

function plain({ questions }: SeenRecord, tokenizer: Tokenizer, imageToken: number): RowToken[] {
  const { before, behind } = framed(tokenizer);
  const unread = (ids: readonly number[]) => ids.map((id) => ({ id, label: false }));
  const exchanges = questions.flatMap(({ prompt, answer }) => [
    ...unread(tokenizer.encode(prompt)),
    ...[...tokenizer.encode(answer), ...behind].map((id) => ({ id, label: true })),
  ]);
  return [...unread([...before, imageToken]), ...exchanges];
}
