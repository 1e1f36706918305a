import type { Duplex } from 'node:stream';
import type pg from 'pg';

/**
 * Makes a client that has not connected yet log in by SCRAM or not at all. Whoever has taken the server's port in its
 * place could ask for the password in clear text, and would get it; by SCRAM it learns nothing, and cannot pass for the
 * server.
 */
export function insistOnScram(client: pg.Client): void {
  const { connection } = client as unknown as { connection: pg.Connection & { stream: Duplex } };
  let proven = false;
  const refuse = (): void => {
    connection.stream.destroy();
    connection.emit(
      'error',
      new Error('the server does not prove by scram-sha-256 that it knows the password'),
    );
  };
  connection.once('authenticationCleartextPassword', refuse);
  connection.once('authenticationMD5Password', refuse);
  connection.once('authenticationSASLFinal', () => (proven = true));
  connection.once('authenticationOk', () => {
    if (!proven) refuse();
  });
}
