import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A statement as it was sent to the server: by a Query message, or by a Parse. */
interface Statement {
  sql: string;
  /** When it was passed on, by performance.now(); undefined as long as it is held. */
  passedMs: number | undefined;
}

/** A network between a command and its server that sees each statement, and holds one back until it is told to let it go. */
export interface StatementProxy {
  port: number;
  /** All that were sent, over whichever connection, in the order in which they came. */
  statements: readonly Statement[];
  /** Has the statement of that number in the order, from 0, held; resolves when it has come. */
  hold: (index: number) => Promise<void>;
  /** Passes on what is held, and holds nothing else. */
  release: () => void;
  close: () => Promise<void>;
}

const NOTHING = { index: -1, reached: (): void => undefined, release: (): void => undefined };

const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
/** The requests of a connection that has not begun: to cancel, for TLS, for GSSAPI; any other is a startup message. */
const BEFORE_STARTUP = [80877102, 80877103, 80877104];

/** Listens on a port of its own on 127.0.0.1 for the server at `serverPort` there. */
export async function startStatementProxy(serverPort: number): Promise<StatementProxy> {
  const sockets = new Set<Socket>();
  const statements: Statement[] = [];
  let held = NOTHING;

  /** Notes a statement, and passes it on; the one that is to be held when it is released. */
  function take(sql: string, pass: () => void): boolean {
    const statement: Statement = { sql, passedMs: undefined };
    const passOn = (): void => {
      statement.passedMs = performance.now();
      pass();
    };
    const isHeld = statements.push(statement) - 1 === held.index;
    if (isHeld) {
      held.release = passOn;
      held.reached();
    } else passOn();
    return isHeld;
  }

  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: serverPort, host: '127.0.0.1', noDelay: true });
    let waiting = Buffer.alloc(0);
    let started = false;
    let stopped = false;
    const next = (): Buffer | undefined => {
      const head = started ? TYPE_BYTES : 0;
      if (waiting.length < head + LENGTH_BYTES) return undefined;
      const end = head + waiting.readInt32BE(head);
      return waiting.length < end ? undefined : waiting.subarray(0, end);
    };
    const passMessages = (): void => {
      for (let message = next(); message !== undefined && !stopped; message = next()) {
        const whole = message;
        waiting = waiting.subarray(whole.length);
        const sql = started ? statementIn(whole) : undefined;
        started ||= !BEFORE_STARTUP.includes(whole.readInt32BE(LENGTH_BYTES));
        if (sql === undefined) upstream.write(whole);
        else
          stopped = take(sql, () => {
            stopped = false;
            upstream.write(whole);
            passMessages();
          });
      }
    };
    client.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      passMessages();
    });
    upstream.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.end();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    statements,
    hold: (index) =>
      new Promise((reached) => {
        held = { ...NOTHING, index, reached };
      }),
    release: () => {
      const { release } = held;
      held = NOTHING;
      release();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

/** The statement in a Query message, or, after its name, in a Parse. */
function statementIn(message: Buffer): string | undefined {
  const type = String.fromCharCode(message[0]!);
  if (type !== 'Q' && type !== 'P') return undefined;
  const start = TYPE_BYTES + LENGTH_BYTES;
  const from = type === 'Q' ? start : message.indexOf(0, start) + 1;
  return message.toString('utf8', from, message.indexOf(0, from));
}
