import type { JsonObject } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";

/** Checks the size of the schemas that constrain an answer. @throws HttpError that names the field */
export function checkSchemas({ response_format, tools }: JsonObject, { maxSchema }: Limits): void {
  for (const [param, schema] of Object.entries({ response_format, tools })) {
    const length = schema ? JSON.stringify(schema).length : 0;
    if (length > maxSchema)
      throw new HttpError(400, `${param}: expected at most ${maxSchema} characters of JSON, got ${length}`, { param });
  }
}
