import type { Socket } from 'node:net';
import type pg from 'pg';

/** What pg's types leave out of a connection. */
export interface Connection extends pg.Connection {
  stream: Socket;
  ssl: unknown;
  attachListeners(stream: Socket): void;
  connect(port: number, host: string): void;
  connect(socket: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

interface ClientInternals {
  connection: Connection;
  readyForQuery: boolean;
  processID: number;
  secretKey: number;
  connectionParameters: object;
}

export function internals(client: pg.Client): ClientInternals {
  return client as unknown as ClientInternals;
}
