export {
  type AnswerMarks,
  answerMarks,
  beforeBegun,
  END_THINK,
  endsInReasoning,
  HARMONY,
  promptEnd,
  THINK,
} from "./answer-marks.ts";
export { begunAnswer, type ChatMessage, chatSegments, encodeChat, type TemplateVariables } from "./chat.ts";
export { fromFolder } from "./folder.ts";
export type { Input } from "./frame.ts";
export type { Json } from "./plain-text.ts";
export { formNames, type PromptForm, promptForms, questionForm, templateHash } from "./prompt-form.ts";
export { type Gap, type Segment, withGaps } from "./segments.ts";
export {
  encodeBlanks,
  fillBlanks,
  MODES,
  type Mode,
  modeToken,
  parseBlanks,
  requireSpecial,
  sentinelName,
} from "./sentinels.ts";
export { fromGguf, type TokenizerSource } from "./source.ts";
export { StopStrings } from "./stop.ts";
export { TokenStream } from "./stream.ts";
export { Tokenizer } from "./tokenizer.ts";
