import { UserError } from "modicum";
import type { Response } from "undici";
import { LARGEST } from "../sources/parse.ts";

/** The body as text, at most 50 MB after decompression; a larger one is not read further. @throws UserError */
export async function readText(url: URL, response: Response): Promise<string> {
  const [parts, decoder] = [[] as string[], new TextDecoder()];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > LARGEST) throw new UserError(`${url}: larger than ${LARGEST / 1e6} MB when unpacked`);
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}
