import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface PublishedPackage {
  /** Its `package.json`. */
  readonly manifest: { readonly name: string; readonly version: string };
  /** Its packed file; undefined for a package that no installation here needs. */
  readonly tarball?: string;
}

export interface Registry extends AsyncDisposable {
  readonly url: string;
}

/** An npm registry on this machine. It has `packages`, and forwards any other request to the registry `upstream`. */
export async function startRegistry(packages: readonly PublishedPackage[], upstream: string): Promise<Registry> {
  const server = createServer(({ url: path = "/" }, response) => {
    const named = packages.find(({ manifest }) => path === `/${manifest.name}`);
    const packed = packages.find(({ manifest }) => path === tarballPath(manifest));
    if (named !== undefined) response.end(JSON.stringify(packument(named, url)));
    else if (packed === undefined) response.writeHead(302, { location: new URL(path.slice(1), upstream).href }).end();
    else if (packed.tarball === undefined) response.writeHead(404).end();
    else response.end(readFileSync(packed.tarball));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { url, [Symbol.asyncDispose]: close };
}

const tarballPath = ({ name, version }: PublishedPackage["manifest"]) => `/${name}/-/${name}-${version}.tgz`;

function packument({ manifest, tarball }: PublishedPackage, url: string) {
  const { name, version } = manifest;
  const dist = {
    tarball: url + tarballPath(manifest),
    integrity: `sha512-${createHash("sha512")
      .update(tarball === undefined ? "" : readFileSync(tarball))
      .digest("base64")}`,
  };
  return { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
}
