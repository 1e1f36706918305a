import type { Duplex } from 'node:stream';
import pg from 'pg';
import { insistOnScram } from './insist-on-scram.js';
import type { Target } from './target.js';
import { refusesEncryption } from './tls.js';
import { translateError } from './translate-error.js';

/** What pg's types leave out of a connection. */
interface Connection extends pg.Connection {
  stream: Duplex;
  connect(port: number, host: string): void;
  connect(socket: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/** What pg's types leave out of a client. */
interface ClientInternals {
  connection: Connection;
  processID: number;
  secretKey: number;
}

/**
 * Connects, with or without TLS as the target has it.
 *
 * @throws ScaleSeedError `connect`, or what the signal was aborted with.
 */
export async function connect(target: Target, signal: AbortSignal): Promise<pg.Client> {
  try {
    return await connectEitherWay(target, signal);
  } catch (error) {
    signal.throwIfAborted();
    const during = `cannot connect to ${target.display}`;
    throw translateError(error, { phase: 'connect', during, state: 'nothing was changed' });
  }
}

/** With or without TLS first, as the mode wants it; the way that worked is remembered for the next session. */
async function connectEitherWay(target: Target, signal: AbortSignal): Promise<pg.Client> {
  const { config, otherSsl } = target;
  try {
    return await connectOnce(target, config, signal);
  } catch (error) {
    if (signal.aborted || otherSsl === undefined || !refusesEncryption(error)) throw error;
    const other = { ...config, ssl: otherSsl };
    const client = await connectOnce(target, other, signal).catch((second: unknown) => {
      // Whichever got further says what is wrong.
      throw refusesEncryption(second) ? error : second;
    });
    target.config = other;
    target.otherSsl = undefined;
    return client;
  }
}

async function connectOnce(
  { scramOnly }: Target,
  config: pg.ClientConfig,
  signal: AbortSignal,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...config,
    application_name: 'scale-seed',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  client.on('error', () => undefined);
  if (scramOnly) insistOnScram(client);
  const onAbort = (): void => {
    cut(client);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await client.connect();
    return client;
  } catch (error) {
    cut(client);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Ends a client's connection at once, without a word to the server. */
export function cut(client: pg.Client): void {
  internals(client).connection.stream.destroy();
}

/**
 * Asks the server to cancel what a client runs; false where it cannot be reached within the time. The protocol's own
 * request needs no login, so it gets through where every connection is taken, and PgBouncer passes it on.
 */
export async function requestCancel(
  client: pg.Client,
  { config }: Target,
  withinMs: number,
): Promise<boolean> {
  const { processID, secretKey } = internals(client);
  const connection = new pg.Connection({ ssl: config.ssl }) as Connection;
  let sent = false;
  const send = (): void => {
    connection.cancel(processID, secretKey);
    sent = true;
  };
  connection.once('connect', () => {
    if (config.ssl) connection.requestSsl();
    else send();
  });
  connection.once('sslconnect', send);
  const tooLate = setTimeout(() => {
    sent = false;
    connection.stream.destroy();
  }, withinMs);
  const ended = new Promise((resolve) => {
    // The server takes the request by hanging up.
    connection.once('end', resolve);
    connection.on('error', resolve);
  });
  if (client.host.startsWith('/')) connection.connect(`${client.host}/.s.PGSQL.${client.port}`);
  else connection.connect(client.port, client.host);
  await ended;
  clearTimeout(tooLate);
  return sent;
}

function internals(client: pg.Client): ClientInternals {
  return client as unknown as ClientInternals;
}
