import type pg from 'pg';
import { internals } from './internals.js';

const NO_TLS = Buffer.from('N');

/**
 * Has a client that has asked for TLS go on in plain text, on the socket that it has, where the server says that it has
 * none. node-postgres gives up there: connecting anew costs a server process, and 3 of the 80 ms of a rerun.
 */
export function goOnInPlainText(client: pg.Client): void {
  const { connection } = internals(client);
  const { stream } = connection;
  const [heed] = stream.listeners('data') as ((answer: Buffer) => void)[];
  if (heed === undefined) return;
  stream.removeAllListeners('data');
  stream.once('data', (answer: Buffer) => {
    if (!answer.equals(NO_TLS)) {
      heed(answer);
      return;
    }
    connection.ssl = false;
    connection.attachListeners(stream);
    connection.emit('sslconnect');
  });
}
