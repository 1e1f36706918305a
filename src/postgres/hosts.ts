import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { integerFrom, type Parameters } from './parameters.js';
import { refuse } from './refuse.js';

/** Where a server listens: a folder of sockets, or a host and perhaps the address at which it is to be found. */
export interface Place {
  host: string;
  address: string | undefined;
  port: number;
}

/** libpq's compiled default: that of Linux distributions where it is there, else that of PostgreSQL itself. */
export function defaultHost(): string {
  if (process.platform === 'win32') return 'localhost';
  return existsSync('/var/run/postgresql') ? '/var/run/postgresql' : '/tmp';
}

export function isSocket({ host, address }: Place): boolean {
  return address === undefined && host.startsWith('/');
}

/** The servers that host, hostaddr and port name, each a list; one port is for all. */
export function listPlaces({ host, hostaddr, port, sslmode }: Parameters): Place[] {
  const count = (hostaddr || host || '').split(',').length;
  const [hosts, addresses, ports] = [listOf(host), listOf(hostaddr), listOf(port)];
  if ((host && hosts.length !== count) || (ports.length > 1 && ports.length !== count))
    throw refuse(
      'host, hostaddr and port are lists of different lengths',
      'give one of each for every server',
    );
  return Array.from({ length: count }, (_, i) => {
    const address = addresses[i] || undefined;
    if (address !== undefined && isIP(address) === 0)
      throw refuse('hostaddr is no IP address', 'give host instead');
    if (address !== undefined && !hosts[i] && sslmode === 'verify-full')
      throw refuse(
        'sslmode=verify-full needs a host that the certificate is for',
        'give host beside hostaddr',
      );
    return { host: hosts[i] || address || defaultHost(), address, port: portFrom(ports[i] ?? ports[0]) };
  });
}

const listOf = (text?: string): string[] => text?.split(',') ?? [];

function portFrom(text = ''): number {
  const port = text === '' ? 5432 : integerFrom(text);
  if (port >= 1 && port <= 65_535) return port;
  throw refuse('the port is not a whole number from 1 to 65535', 'check the port in the URL, or PGPORT');
}
