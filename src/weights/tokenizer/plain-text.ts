import { UserError } from "../../util/errors.ts";
import type { TokenTexts } from "./segments.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Fields whose values are protocol words, which templates compare and write into special tokens: only whole special
 * tokens are broken up.
 */
const PROTOCOL = new Set(["role", "type"]);

/** Unicode keeps these for a program's own use: no character has them. */
const NONCHARACTERS = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

/**
 * Keeps the texts of a chat from forming special tokens, alone or together with the template's text before and after
 * them. A mark is put where a special token could span a user's character. It goes through the template with the text
 * and is then removed, so the model reads the same text, and most texts have no mark. Filters still work with marks:
 * `trim` sees the same white space. Special tokens are assumed to contain no white space.
 */
export class PlainText {
  private readonly mark: string;

  /** `unmarked`: everything the mark must differ from. */
  constructor(
    private readonly specialTokens: TokenTexts,
    unmarked: string,
  ) {
    const mark = NONCHARACTERS.find((character) => !unmarked.includes(character));
    if (mark === undefined) throw new UserError("the chat holds all of U+FDD0 to U+FDEF, expected no noncharacters");
    this.mark = mark;
  }

  /** `value` with every text in it guarded. */
  guard(value: Json): Json {
    if (typeof value === "string") return this.edges(this.inside(value));
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map((item) => this.guard(item));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.inside(key), this.field(key, item)]));
  }

  unguard(text: string): string {
    return text.replaceAll(this.mark, "");
  }

  private field(key: string, value: Json): Json {
    if (PROTOCOL.has(key) && typeof value === "string") return this.inside(value);
    // A schema's list of required properties is compared with their keys, so it is written like them.
    if (key === "required" && Array.isArray(value))
      return value.map((name) => (typeof name === "string" ? this.inside(name) : this.guard(name)));
    return this.guard(value);
  }

  /** Breaks each special token in `text` behind its first character. */
  private inside(text: string): string {
    let broken = "";
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      if (this.specialTokens.at(text, at) === undefined) continue;
      const end = at + (text.codePointAt(at)! > 0xffff ? 2 : 1);
      broken += text.slice(from, end) + this.mark;
      from = end;
    }
    return broken + text.slice(from);
  }

  /** Closes the ends at which `text` could be a part of a special token. */
  private edges(text: string): string {
    const core = text.trim();
    if (core === "") return text;
    const [lead, trail] = text.split(core, 2) as [string, string];
    const start = this.specialTokens.holds(core) || this.specialTokens.endsIn(core);
    const end = this.specialTokens.beginsIn(core);
    return `${lead}${start ? this.mark : ""}${core}${end ? this.mark : ""}${trail}`;
  }
}
