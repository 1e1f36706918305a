import pg from 'pg';
import { messageOf, ScaleSeedError } from '../errors.js';
import { restrictLogin } from './insist-on-scram.js';
import { internals, type Connection } from './internals.js';
import { goOnInPlainText } from './plain-text.js';
import { refuse } from './refuse.js';
import type { Candidate, Target } from './target.js';
import { refusesThisWay, type Ssl } from './tls.js';
import { translateError } from './translate-error.js';

const TOO_LATE = 'timeout expired';

/**
 * Connects to the first of the target's servers that answers and is what it has to be. That one, with or without TLS as
 * it was let in, is the target from then on: all sessions of a run are on one server.
 */
export async function connect(target: Target, signal: AbortSignal): Promise<pg.Client> {
  let earlier = '';
  for (const [i, server] of target.servers.entries()) {
    let otherWay = '';
    try {
      const { client, ssl } = await connectEitherWay(target, server, signal, (failure) => {
        otherWay = ` (${failure})`;
      });
      target.servers = [{ ...server, config: { ...server.config, ssl }, otherSsl: undefined }];
      target.display = server.display;
      return client;
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error, `${earlier}cannot connect to ${server.display}${otherWay}`);
      if (i === target.servers.length - 1 || !leavesOthers(error)) throw failure;
      earlier = `${failure.message}; `;
    }
  }
  throw new RangeError('a target without servers');
}

function failureOf(error: unknown, during: string): ScaleSeedError {
  const message = `${during}: ${messageOf(error)}`;
  if (error instanceof ScaleSeedError) return error.with({ message });
  if (meansOptions(error)) return refuse(message, 'check options in the URL, or PGOPTIONS', error);
  return translateError(error, { phase: 'connect', during, state: 'nothing was changed' });
}

/** Nothing but `options` can make a server speak of an unknown setting or value before it lets anybody in. */
function meansOptions(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(22|42704|42601|55P02)/.test(error.code ?? '');
}

/** Whether another server of the list may do, as libpq has it: not where this one was reached and fails then. */
function leavesOthers(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '57P03';
  if (error instanceof ScaleSeedError) return error.code === 'connect';
  // Node has one error for all addresses of a host.
  if (error instanceof AggregateError || messageOf(error) === TOO_LATE) return true;
  return (
    error instanceof Error && 'syscall' in error && /^(connect|getaddrinfo)$/.test(String(error.syscall))
  );
}

/** With or without TLS first, as the mode wants it; of two failures the one that got further is thrown, the other told. */
async function connectEitherWay(
  target: Target,
  { config, otherSsl }: Candidate,
  signal: AbortSignal,
  tell: (failure: string) => void,
): Promise<{ client: pg.Client; ssl: Ssl }> {
  try {
    const client = await connectOnce(target, config, signal, otherSsl === false);
    return { client, ssl: internals(client).connection.ssl === false ? false : config.ssl };
  } catch (error) {
    if (signal.aborted || otherSsl === undefined || !refusesThisWay(error, otherSsl)) throw error;
    const client = await connectOnce(target, { ...config, ssl: otherSsl }, signal).catch(
      (second: unknown) => {
        const [way, thrown, told] = refusesThisWay(second, false)
          ? [otherSsl, error, second]
          : [config.ssl, second, error];
        if (messageOf(told) !== messageOf(thrown))
          tell(`with${way === false ? 'out' : ''} TLS: ${messageOf(told)}`);
        throw thrown;
      },
    );
    return { client, ssl: otherSsl };
  }
}

async function connectOnce(
  { login, attributes }: Target,
  config: Candidate['config'],
  signal: AbortSignal,
  takesPlainText = false,
): Promise<pg.Client> {
  // pg's own limit would leave out the attributes.
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 0 });
  // What it has found in the environment by itself.
  Object.assign(internals(client).connectionParameters, {
    options: config.options,
    application_name: config.application_name,
    replication: undefined,
  });
  client.on('error', () => undefined);
  restrictLogin(client, login);
  catchWhatParsingThrows(client);
  const onAbort = (): void => {
    cut(client);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const limitMs = config.connectionTimeoutMillis ?? 0;
  const limit =
    limitMs > 0
      ? setTimeout(() => {
          cut(client, new Error(TOO_LATE));
        }, limitMs)
      : undefined;
  try {
    const connecting = client.connect();
    if (takesPlainText) goOnInPlainText(client);
    await connecting;
    if (attributes !== 'any') await checkAttributes(client, attributes);
    return client;
  } catch (error) {
    cut(client);
    throw error;
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * A message that pg does not know is thrown where nobody could catch it: by the listener of the socket. And where the
 * first is none that a server begins with, pg may wait for the rest of it.
 */
function catchWhatParsingThrows(client: pg.Client): void {
  const { connection } = internals(client);
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => {
    const before = stream.listeners('data');
    attach(stream);
    for (const listener of stream.listeners('data').filter((one) => !before.includes(one))) {
      const parse = listener as (bytes: Buffer) => void;
      let isFirst = true;
      stream.off('data', parse);
      stream.on('data', (bytes: Buffer) => {
        try {
          if (isFirst && !/^[REv]/.test(bytes.toString('latin1', 0, 1)))
            throw new Error('what answers there is no PostgreSQL server');
          isFirst = false;
          parse(bytes);
        } catch (error) {
          stream.destroy();
          connection.emit('error', error);
        }
      });
    }
  };
}

async function checkAttributes(client: pg.Client, wanted: string): Promise<void> {
  const { rows } = await client.query<{ standby: boolean; readOnly: boolean }>(
    `select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only')::bool as "readOnly"`,
  );
  const { standby, readOnly } = rows[0]!;
  if (!standby && (wanted === 'primary' || !readOnly)) return;
  const what = standby ? 'a standby' : 'read-only';
  throw new ScaleSeedError(`the server at ${client.host}:${client.port} is ${what}`, {
    code: 'connect',
    phase: 'connect',
    state: 'nothing was changed',
    hint: `target_session_attrs=${wanted} takes none such: name the primary`,
  });
}

/** Ends a client's connection at once, without a word to the server. */
export function cut(client: pg.Client, why?: Error): void {
  internals(client).connection.stream.destroy(why);
}

/**
 * Asks the server to cancel what a client runs; false where it cannot be reached within the time. The protocol's own
 * request needs no login, so it gets through where every connection is taken, and PgBouncer passes it on.
 */
export async function requestCancel(
  client: pg.Client,
  { servers: [server] }: Target,
  withinMs: number,
): Promise<boolean> {
  const { processID, secretKey } = internals(client);
  const { ssl = false, sslnegotiation } = server?.config ?? {};
  const connection = new pg.Connection({ ssl, sslNegotiation: sslnegotiation } as object) as Connection;
  let sent = false;
  const send = (): void => {
    connection.cancel(processID, secretKey);
    sent = true;
  };
  connection.once('connect', () => {
    if (ssl === false) send();
    else if (sslnegotiation !== 'direct') connection.requestSsl();
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
