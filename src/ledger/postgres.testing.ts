/** Runs a Postgres server for one test, in a folder that is deleted afterwards. */
import { execFile } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DEBIAN = "/usr/lib/postgresql";

/** Debian's folder with initdb, pg_ctl and postgres; undefined if this machine has none. */
export const postgresPrograms: string | undefined = (existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(DEBIAN, version, "bin"))
  .find((folder) => existsSync(join(folder, "initdb")));

/** A server on loopback that needs no password. */
export class Postgres {
  #databases = 0;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {}

  static async start(): Promise<Postgres> {
    const folder = mkdtempSync(join(tmpdir(), "modicum-postgres-"));
    if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
    const postgres = new Postgres(folder, await freePort());
    await postgres.#run("initdb", "--no-sync", "--auth=trust", "--username=tester");
    await postgres.goUp();
    return postgres;
  }

  async #run(program: string, ...words: readonly string[]): Promise<void> {
    const all = [...words, "-D", join(this.folder, "data")];
    await run(join(postgresPrograms!, program), all, { cwd: this.folder, ...user });
  }

  async goUp(): Promise<void> {
    const settings = `-p ${this.port} -k ${this.folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
    await this.#run("pg_ctl", "start", "-w", "-l", join(this.folder, "log"), "-o", settings);
  }

  /** Stops the server as a crash would: connections break, and open transactions are rolled back. */
  async goDown(): Promise<void> {
    await this.#run("pg_ctl", "stop", "-m", "immediate");
  }

  /** Creates a database, runs `sql` in it and returns its address. */
  async database(sql = "SELECT 1"): Promise<string> {
    const name = `ledger${++this.#databases}`;
    const psql = join(postgresPrograms!, "psql");
    await run(psql, [this.#address("postgres"), "-c", `CREATE DATABASE ${name}`]);
    await run(psql, [this.#address(name), "-c", sql]);
    return this.#address(name);
  }

  #address(database: string): string {
    return `postgres://tester@127.0.0.1:${this.port}/${database}`;
  }

  async stop(): Promise<void> {
    await this.goDown();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Postgres does not run as root. */
const user = userInfo().uid === 0 ? { uid: 65_534, gid: 65_534 } : {};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
