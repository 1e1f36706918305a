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
  if (files.length > 0) admitForeignCode();
  const own = await Promise.all(files.map(loadFixtureFile));
  return { fixtures: chooseFixtures({ names, own, set, certs, agents }), known: own };
}
