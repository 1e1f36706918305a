import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A network between a client and a server that fails on demand. */
export interface TcpProxy {
  port: number;
  /** Ends every connection at once, with a reset on both sides. */
  cut: () => void;
  /** Passes no byte on any more; new connections are taken and left silent as well, unless `newOnesPass`. */
  stall: (options?: { newOnesPass: boolean }) => void;
  /** Cuts every connection as soon as so many bytes have passed, in both directions and all connections together. */
  cutAfter: (bytes: number) => void;
  /** Bytes that have passed so far. */
  passed: () => number;
  close: () => Promise<void>;
}

/** Listens on a port of its own on 127.0.0.1 and passes bytes on to `serverPort` there; `watch` sees what passes. */
export async function startTcpProxy(
  serverPort: number,
  watch: (bytes: Buffer) => void = () => undefined,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const stalled = new Set<Socket>();
  let newOnesPass = true;
  let passed = 0;
  let limit = Infinity;

  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  function pass(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      watch(bytes);
      const room = limit - passed;
      passed += Math.min(bytes.length, room);
      if (bytes.length > room) {
        if (room > 0) to.write(bytes.subarray(0, room));
        setImmediate(cut);
      } else if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => {
          if (!stalled.has(from)) from.resume();
        });
      }
    });
    from.on('end', () => to.end());
    from.on('close', () => {
      sockets.delete(from);
      stalled.delete(from);
      to.destroy();
    });
    from.on('error', () => to.destroy());
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) sockets.add(socket);
    pass(client, upstream);
    pass(upstream, client);
    if (!newOnesPass) client.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    cut,
    stall: (options = { newOnesPass: false }) => {
      newOnesPass = options.newOnesPass;
      for (const socket of sockets) stalled.add(socket.pause());
    },
    cutAfter: (bytes) => {
      limit = bytes;
      if (passed >= limit) cut();
    },
    passed: () => passed,
    close: () => {
      cut();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
