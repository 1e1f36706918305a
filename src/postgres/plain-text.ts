import type { Socket } from 'node:net';
import type pg from 'pg';

/** What pg's types leave out of a connection. */
interface Connection extends pg.Connection {
  stream: Socket;
  ssl: unknown;
  attachListeners(stream: Socket): void;
}

const NO_TLS = Buffer.from('N');

/**
 * Has a client that has asked for TLS go on in plain text, on the socket that it has, where the server says that it has
 * none. node-postgres gives up there: connecting anew costs a server process, and 3 of the 80 ms of a rerun.
 */
export function goOnInPlainText(client: pg.Client): void {
  const { connection } = client as unknown as { connection: Connection };
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

/** Whether what a client says is in plain text. */
export function isInPlainText(client: pg.Client): boolean {
  return (client as unknown as { connection: Connection }).connection.ssl === false;
}
