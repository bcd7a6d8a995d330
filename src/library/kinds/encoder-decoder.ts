import type { Seq2SeqModel } from "../../engine/seq2seq/seq2seq-model.ts";
import type { Face } from "./face.ts";

/** Turns one text into another. */
export const encoderDecoderFace = (generative: Seq2SeqModel): Face => ({
  generative,
  answer: (job) => generative.generate(job.prompt, job.options, job),
});
