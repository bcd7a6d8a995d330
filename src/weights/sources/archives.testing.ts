import { deflateRawSync, gzipSync } from "node:zlib";

export interface ZipMember {
  name: string;
  data: Buffer;
  /** The Unix mode, including the file type. */
  mode?: number;
  /** A false size to state in the directory. */
  claimed?: number;
}

/** Makes a zip of deflated members (APPNOTE 4.3.7, 4.3.12, 4.3.16) with CRCs of 0, since wheels' SHA-256 is checked. */
export function zip(members: ZipMember[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, mode = 0o100644, claimed = data.length } of members) {
    const packed = deflateRawSync(data);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(claimed, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    locals.push(Buffer.from("PK\x03\x04"), shared, Buffer.from(name), packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x03"), shared, tail, Buffer.from(name));
    offset += 30 + Buffer.byteLength(name) + packed.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, listing, end]);
}

export interface TarMember {
  name: string;
  data: Buffer;
  /** `0` for a file, `2` for a symbolic link, `5` for a folder (POSIX ustar). */
  type?: string;
  link?: string;
  /** A false size to state in the header. */
  claimed?: number;
}

/** Makes a gzipped tar (POSIX ustar), like npm's. */
export function tgz(members: TarMember[]): Buffer {
  const blocks = members.flatMap(({ name, data, type = "0", link = "", claimed = data.length }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\x000000000\x000000000\x00", 100);
    header.write(`${claimed.toString(8).padStart(11, "0")}\x0000000000000\x00        ${type}${link}`, 124);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
