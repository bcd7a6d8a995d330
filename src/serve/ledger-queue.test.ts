import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parts } from "../ledger/fixtures/parts.testing.ts";
import { Postgres, postgresPrograms } from "../ledger/postgres.testing.ts";
import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { type Ledger, openLedger } from "../ledger/store.ts";
import { LedgerQueue } from "./ledger-queue.ts";
import { createLog } from "./log.ts";
import { jsonOf, serveModels, TINY } from "./serve.testing.ts";

const receipts = (count: number): Receipt[] => Array.from({ length: count }, () => makeReceipt(parts()));
const headers = { "content-type": "application/json" };
const body = JSON.stringify({ model: "tiny", prompt: "abc", max_tokens: 2 });

/** A proxy to a database that, once `now` is set, still accepts data but forwards nothing. */
class SilentProxy implements AsyncDisposable {
  now = false;
  readonly #sockets: Socket[] = [];

  private constructor(
    readonly place: string,
    private readonly server: Server,
  ) {}

  static async open(place: string): Promise<SilentProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const [way, there] = [new URL(place), new URL(place)];
    way.port = String((server.address() as AddressInfo).port);
    const silenced = new SilentProxy(way.href, server);
    server.on("connection", (socket) => silenced.#join(socket, connect(Number(there.port), there.hostname)));
    return silenced;
  }

  #join(...both: [Socket, Socket]): void {
    for (const [i, socket] of both.entries()) {
      socket.on("data", (data) => this.now || both[1 - i]!.write(data)).on("error", () => {});
      this.#sockets.push(socket);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}

/** From Debian's package postgresql, which .ci/run installs. */
describe.runIf(postgresPrograms)("a ledger in Postgres, if this machine has one", () => {
  let postgres: Postgres;
  let up = true;
  beforeAll(async () => {
    postgres = await Postgres.start();
  });
  afterEach(async () => {
    if (!up) await postgres.goUp();
    up = true;
  });
  afterAll(() => postgres.stop());
  const goDown = async () => {
    await postgres.goDown();
    up = false;
  };
  const goUp = async () => {
    await postgres.goUp();
    up = true;
  };

  async function queueOf(most?: number) {
    const logged: string[] = [];
    const place = await postgres.database();
    const queue = new LedgerQueue(
      await openLedger(place),
      createLog({ write: (line) => void logged.push(line) }),
      most,
    );
    const lost = () => logged.map((line) => JSON.parse(line)).filter(({ receipt }) => receipt);
    return { queue, place, logged, lost };
  }

  test("that disappears and returns has every receipt from before, meanwhile and after, once", async () => {
    const { queue, place, logged } = await queueOf();
    const all = receipts(350);
    for (const receipt of all.slice(0, 100)) queue.add(receipt);
    await queue.flush();
    for (const receipt of all.slice(100, 200)) queue.add(receipt);
    await goDown();
    for (const receipt of all.slice(200, 250)) queue.add(receipt);
    await queue.flush();
    expect(logged.join("")).toContain("receipts wait until the ledger can be written again");
    await goUp();
    await expect.poll(() => logged.join("")).toContain('the ledger can be written again"');
    for (const receipt of all.slice(250)) queue.add(receipt);
    await queue.close(10_000);
    const ledger = await openLedger(place);
    expect(new Set((await ledger.list()).map(({ id }) => id))).toEqual(new Set(all.map(({ id }) => id)));
    await ledger.close();
  });

  test("while it is away, the oldest beyond the bound are lost, and logged whole; at the end, all waiting ones", async () => {
    const { queue, lost } = await queueOf(10);
    await goDown();
    const all = receipts(15);
    queue.add(all[0]!);
    await queue.flush();
    for (const receipt of all.slice(1)) queue.add(receipt);
    expect(lost().map(({ receipt }) => receipt)).toEqual(all.slice(0, 5));
    await queue.close(10_000);
    expect(lost().map(({ receipt }) => receipt)).toEqual(all);
  });

  test("that falls silent does not delay a stopping server: lost receipts are reported, and logged whole", async () => {
    await using silent = await SilentProxy.open(await postgres.database());
    const server = await serveModels(TINY.slice(0, 1), { ledger: silent.place });
    silent.now = true;
    const ask = async () =>
      (await jsonOf(fetch(`${server.url}/v1/completions`, { method: "POST", headers, body }))).receipt;
    const receiptIds = [await ask(), await ask()];
    expect(await server.stop(0)).toBe(2);
    const logged = server.logged.map((line) => JSON.parse(line));
    expect(logged.flatMap(({ receipt }) => (receipt?.id ? [receipt] : []))).toEqual(receiptIds);
    expect(logged.filter(({ receipts: count }) => count === 2)).toHaveLength(1);
  }, 30_000);

  test("accepts the receipts of two servers; while it is away they answer, and report that the ledger cannot be read", async () => {
    const place = await postgres.database();
    const servers = [
      await serveModels(TINY.slice(0, 1), { ledger: place }),
      await serveModels(TINY.slice(0, 1), { ledger: place }),
    ];
    const ask = async (url: string) =>
      (await jsonOf(fetch(`${url}/v1/completions`, { method: "POST", headers, body }))).receipt.id;
    const ids = await Promise.all([0, 1, 0, 1].map((at) => ask(servers[at]!.url)));
    await Promise.all(servers.map(({ url }) => fetch(`${url}/v1/receipts`)));
    const listed = async () =>
      (await jsonOf(fetch(`${servers[0]!.url}/v1/receipts`))).data?.map(({ id }: Receipt) => id);
    expect(new Set(await listed())).toEqual(new Set(ids));
    await goDown();
    ids.push(await ask(servers[1]!.url));
    const response = await fetch(`${servers[0]!.url}/v1/receipts`);
    expect([response.status, (await jsonOf(response)).error.message]).toEqual([
      503,
      "the ledger cannot be used at the moment",
    ]);
    await goUp();
    await expect.poll(async () => new Set(await listed())).toEqual(new Set(ids));
    for (const server of servers) await server.stop(0);
  });

  test("that cannot be reached, or is another program's, is refused in one sentence, without the password", async () => {
    const place = await postgres.database();
    const ledger = await openLedger(place);
    await ledger.close();
    const refused = (address: string) => openLedger(address).catch((error: Error) => [error.name, error.message]);
    expect(await refused(place.replace(/\w+$/, "absent").replace("tester", "tester:secret"))).toEqual([
      "UserError",
      expect.stringMatching(
        /^the ledger postgres:\/\/127\.0\.0\.1:\d+\/absent can't be used: database "absent" does not exist$/,
      ),
    ]);
    expect(await refused("postgres://127.0.0.1:1/x")).toEqual(["UserError", expect.stringContaining("ECONNREFUSED")]);
    expect(await refused("postgres://[/x")).toEqual(["UserError", expect.stringContaining("expected postgres://")]);
    const foreign = await postgres.database("CREATE TABLE receipts (shop text)");
    expect(await refused(foreign)).toEqual([
      "UserError",
      expect.stringContaining('another program\'s table "receipts"'),
    ]);
    const newer = await postgres.database(
      "CREATE TABLE receipts (); COMMENT ON TABLE receipts IS 'ledger of Modicum, version 99'",
    );
    expect(await refused(newer)).toEqual(["UserError", expect.stringContaining("has schema version 99")]);
  });
});

/** A ledger whose writes end when the test says so. */
function slowly() {
  const [written, open]: [string[], (() => void)[]] = [[], []];
  const add = (...some: Receipt[]) =>
    new Promise<void>((resolve) => {
      open.push(() => {
        written.push(...some.map(({ id }) => id));
        resolve();
      });
    });
  const ledger = { add, close: () => new Promise<void>(() => {}) } as unknown as Ledger;
  return { queue: new LedgerQueue(ledger, createLog({ write() {} })), written, open };
}

test("a queue closes in time even if the ledger neither writes nor closes, and reports unwritten receipts", async () => {
  const { queue, written } = slowly();
  for (const receipt of receipts(130)) queue.add(receipt);
  expect(await queue.close(20)).toBe(130);
  expect(written).toEqual([]);
});

describe("a new request", () => {
  test("waits until the receipts of earlier answers are written", async () => {
    const { queue, written, open } = slowly();
    const [first, second] = receipts(2) as [Receipt, Receipt];
    await queue.caughtUp();
    queue.add(first);
    const begun = queue.caughtUp().then(() => [...written]);
    queue.add(second);
    await expect.poll(() => open.length).toBe(1);
    open[0]!();
    await expect.poll(() => open.length).toBe(2);
    open[1]!();
    expect(await begun).toEqual([first.id, second.id]);
  });

  test("does not wait long for a slow ledger", async () => {
    const { queue, written } = slowly();
    queue.add(receipts(1)[0]!);
    await queue.caughtUp();
    expect(written).toEqual([]);
  });
});
