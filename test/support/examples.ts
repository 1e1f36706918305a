import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

export const exampleText = (name: string): Promise<string> => readFile(join(EXAMPLES, name), 'utf8');

export interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  profiles?: string[];
  depends_on: Record<string, { condition: string }>;
  /** Null is passed on from where compose is called. */
  environment: Record<string, string | null>;
  volumes?: Record<string, string | boolean>[];
  entrypoint: string[];
  command: string[];
}

/** The services of the compose file, by name. */
export async function composeServices(): Promise<Record<string, Service>> {
  const { services } = parse(await exampleText('compose.scale-seed.yaml'), {
    merge: true,
    // Compose's own tag: the value goes.
    customTags: [{ tag: '!reset', collection: 'seq', resolve: (value) => value }],
  }) as { services: Record<string, Service> };
  return services;
}
