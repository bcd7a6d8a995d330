import type { JsonObject } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";

/**
 * Refuses addresses in requests, so that no request can make a server fetch one, whatever that server accepts.
 * @throws HttpError that names the field
 */
export function refuseAddresses({ messages, response_format, tools }: JsonObject): void {
  const contents = (Array.isArray(messages) ? messages : []).map((message) => message?.content);
  const inContent = addressIn(contents, isAddress);
  if (inContent) throw refused(`messages.${inContent[0]}.content.${inContent.slice(1).join(".")}`, "data:image/…");
  const inSchema = addressIn({ response_format, tools }, isReference);
  if (inSchema) throw refused(inSchema.join("."), "a reference within the schema, such as #/$defs/…");
}

type Test = (key: string, text: string) => boolean;

const isAddress: Test = (key, text) => /(^|_)url$/i.test(key) && !text.startsWith("data:");
const isReference: Test = (key, text) => key === "$ref" && !text.startsWith("#");

/** The path to the first address in a value. */
function addressIn(value: unknown, test: Test): string[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === "string" && test(key, inner)) return [key];
    const way = addressIn(inner, test);
    if (way) return [key, ...way];
  }
  return undefined;
}

const refused = (param: string, expected: string) =>
  new HttpError(400, `${param}: expected ${expected}; the server fetches no URL`, { param });
