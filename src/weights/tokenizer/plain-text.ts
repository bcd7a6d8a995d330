import { UserError } from "../../util/errors.ts";
import type { TokenTexts } from "./segments.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Fields whose values are protocol words. Templates compare them and write them into special tokens, so only complete
 * special tokens in them are broken up.
 */
const PROTOCOL = new Set(["role", "type"]);

/** Marks: characters that Unicode reserves for internal use, so that no text should contain them. */
const NONCHARACTERS = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

/**
 * Prevents the texts of a chat from forming special tokens, alone or joined with the template's text around them. A
 * mark splits each place where a special token could include a user's character. The template renders marks with the
 * text, and they are then removed, so the model reads the same text. Most texts get no mark. Filters still work with
 * marks: `trim` sees the same white space. Special tokens are assumed to contain no white space.
 */
export class PlainText {
  private readonly mark: string;

  /** `unmarked` are all texts that must not contain the mark. */
  constructor(
    private readonly specialTokens: TokenTexts,
    unmarked: string,
  ) {
    const mark = NONCHARACTERS.find((character) => !unmarked.includes(character));
    if (mark === undefined)
      throw new UserError("the chat contains every noncharacter from U+FDD0 to U+FDEF; remove at least one of them");
    this.mark = mark;
  }

  /** Returns `value` with every text in it protected. */
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
    // Templates compare a schema's list of required properties with its keys, so both are marked the same way.
    if (key === "required" && Array.isArray(value))
      return value.map((name) => (typeof name === "string" ? this.inside(name) : this.guard(name)));
    return this.guard(value);
  }

  /** Splits each special token in `text` after its first character. */
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

  /** Marks the ends of `text` that could be part of a special token. */
  private edges(text: string): string {
    const core = text.trim();
    if (core === "") return text;
    const [lead, trail] = text.split(core, 2) as [string, string];
    const start = this.specialTokens.holds(core) || this.specialTokens.endsIn(core);
    const end = this.specialTokens.beginsIn(core);
    return `${lead}${start ? this.mark : ""}${core}${end ? this.mark : ""}${trail}`;
  }
}
