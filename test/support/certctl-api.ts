import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  path: string;
  authorization: string | undefined;
  contentType: string | undefined;
  body: unknown;
}

export interface CertctlApi {
  url: string;
  calls: Call[];
  close: () => Promise<void>;
}

/**
 * A stand-in for the two requests that the k6 scripts make of certctl: it notes them, and answers as certctl does. The
 * first `together` requests are answered when all of them have come: whoever sends them does so at the same time.
 */
export async function startCertctlApi({ together = 1, unknown = [] as string[] } = {}): Promise<CertctlApi> {
  const calls: Call[] = [];
  const renewed = new Set<string>();
  let haveCome = (): void => undefined;
  const all = new Promise<void>((resolve) => (haveCome = resolve));

  function renew(ids: string[]): object {
    const found = ids.filter((id) => !unknown.includes(id));
    const fresh = found.filter((id) => !renewed.has(id));
    for (const id of fresh) renewed.add(id);
    const skipped = found.length - fresh.length;
    return {
      total_matched: found.length,
      total_enqueued: fresh.length,
      total_skipped: skipped,
      total_failed: 0,
    };
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { url: path = '', headers, method } = request;
      const body = JSON.parse(Buffer.concat(parts).toString()) as { certificate_ids?: string[] };
      calls.push({ path, authorization: headers.authorization, contentType: headers['content-type'], body });
      if (calls.length === together) haveCome();
      const answer = (status: number, text: object): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(text));
      };
      void all.then(() => {
        if (method !== 'POST') answer(405, {});
        else if (headers.authorization !== 'Bearer load-test-token') answer(401, {});
        else if (path === '/api/v1/certificates/bulk-renew') answer(200, renew(body.certificate_ids ?? []));
        else if (/^\/api\/v1\/agents\/[^/]+\/heartbeat$/.test(path))
          answer(200, { status: 'heartbeat_recorded' });
        else answer(404, {});
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
