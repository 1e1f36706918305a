import { resolve } from 'node:path';
import type { Fixture } from '../fixtures/fixture.js';
import { loadFixtureFile } from '../fixtures/load-fixture-file.js';
import { chooseFixtures } from '../fixtures/registry.js';
import { admitForeignCode } from './foreign-code.js';
import type { FixtureFlags } from './shared-options.js';

/** The fixtures that the flags choose, and those of the user's own that are known by it, chosen or not. */
export async function fixturesOf(
  names: readonly string[],
  { fixture: files, set, certs, agents }: FixtureFlags,
): Promise<{ fixtures: Fixture[]; known: Fixture[] }> {
  const own = await ownFixtures(files);
  return { fixtures: chooseFixtures({ names, own, set, certs, agents }), known: own };
}

/** The fixtures in files of the user's own; a file that is named twice is one. */
export function ownFixtures(files: readonly string[]): Promise<Fixture[]> {
  if (files.length > 0) admitForeignCode();
  const once = new Map(files.map((file) => [resolve(file), file]));
  return Promise.all([...once.values()].map(loadFixtureFile));
}
