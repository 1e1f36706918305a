import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../src/index.js';
import { withPassword } from './sandboxes.js';

/** An embedded server with a migrated database, for this run alone; `stop` removes it. */
export async function startEmptyServer(): Promise<{
  url: string;
  version: string;
  stop: () => Promise<void>;
}> {
  const dataDirectory = join(tmpdir(), `scale-seed-bench-${randomUUID()}`);
  const server = await startEmbedded({ dataDirectory });
  return {
    url: withPassword(server.url),
    version: server.version,
    stop: async () => {
      await server.stop();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
