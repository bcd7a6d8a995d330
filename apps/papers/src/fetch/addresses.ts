import { type LookupAddress, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { UserError } from "modicum";

/** Special-purpose IPv4 networks (RFC 6890 and its IANA registry). */
const special4 = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  special4.addSubnet(network, prefix, "ipv4");

/** Public IPv6: 2000::/3, except tunnels, which reach any IPv4 address, and networks for protocols and examples. */
const public6 = new BlockList();
public6.addSubnet("2000::", 3, "ipv6");
const special6 = new BlockList();
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const)
  special6.addSubnet(network, prefix, "ipv6");

/** True if the address is public, that is, neither on this machine nor in a private network. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special4.check(address, "ipv4");
    case 6:
      return public6.check(address, "ipv6") && !special6.check(address, "ipv6");
    default:
      return false;
  }
}

const refused = (host: string): UserError =>
  new UserError(`${host} is an address of this machine or a private network; --allow-private permits it`);

/** Refuses a host written as a private address; names are resolved later. @throws UserError */
export function checkHost({ hostname }: URL): void {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !isPublic(host)) throw refused(host);
}

/**
 * A name lookup for connections that returns only public addresses. The connection goes to the checked address, so a
 * name cannot change it in between.
 */
export const publicLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error) return done(error, []);
    const [first] = found;
    if (!first || !found.every(({ address }) => isPublic(address))) return done(refused(host), []);
    return options.all ? done(null, found) : done(null, first.address, first.family);
  });
};
