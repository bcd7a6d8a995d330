export const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** The published patterns say (?i:'s|…), for which Oniguruma folds the long s too, and JavaScript has no flag: here the case is spelt out. */
export const CONTRACTION = "'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const BREAKS = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
export const tiktoken = (digits: string, letters = String.raw`\p{L}`) =>
  String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?[${letters}]+|${digits}| ?[^\s${letters}\p{N}]+[\r\n]*|${BREAKS}`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
export const cased = (digits: string, ending: string) =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${ending}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${ending}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${BREAKS}`;
export const DEEPSEEK_V3 = String.raw`[!-/:-@\[-\x60{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${BREAKS}`;
/** Letters of scripts with case, as DeepSeek LLM's tokenizer.json lists them. */
export const CASED =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";
export const THREE_DIGITS = String.raw`\p{N}{1,3}`;
export const DIGIT = String.raw`\p{N}`;

/** Falcon's tokenizer.json: runs of punctuation, GPT-2's words, and digits by three. */
export const FALCON = [String.raw`[\p{P}$+<=>^~|\x60]+`, GPT2, "[0-9][0-9][0-9]"];
/** BLOOM's words: everything between white space and these marks, with one space before it. */
export const BLOOM = String.raw` ?[^(\s|.,!?…。，、।۔،)]+`;
export const BAILING = String.raw`'(?:[sSſdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`;
export const SEED_CODER = String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|${BREAKS}`;
