export { answerMatch } from "./answer.ts";
export { auroc } from "./auroc.ts";
export { bleu } from "./bleu.ts";
export { accuracy, accuracyNormalised } from "./choice.ts";
export {
  acceptedProxy,
  bleuOfTokens,
  exactLine,
  layersPerToken,
  length,
  rougeLOfTokens,
  shownAcceptedProxy,
  stopped,
} from "./completion.ts";
export { containsAll, containsAnswer } from "./contains.ts";
export { greedyMatch, natsPerToken, perplexityOfContinuation } from "./continuation.ts";
export { agreement, commonPrefix, rougeLWithDense } from "./dense.ts";
export { editSimilarity } from "./edit.ts";
export { labelAccuracy } from "./label.ts";
export { numberMatch } from "./number.ts";
export { passes } from "./passes.ts";
export { mrr, ndcg } from "./ranking.ts";
export { rougeL } from "./rouge.ts";
export { exactMatch, tokenF1 } from "./squad.ts";
export { bitsPerByte, perplexity } from "./text.ts";
