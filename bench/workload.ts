import { ScaleSeedError } from '../src/errors.js';
import type { Fixture } from '../src/fixtures/fixture.js';
import { SETS } from '../src/fixtures/registry.js';
import { sizedAgents, sizedCertificates } from '../src/fixtures/sized.js';

/** The sizes that are compared; the first is for trying out whether a path works. */
const SIZES: Readonly<Record<string, () => readonly Fixture[]>> = {
  '1k+500': () => [sizedCertificates(1_000), sizedAgents(500)],
  '10k+5k': () => SETS.fleet,
  '50k+10k': () => SETS['fleet-50k'],
  '100k': () => [sizedCertificates(100_000)],
  '1m': () => [sizedCertificates(1_000_000)],
  '1m+50k': () => [sizedCertificates(1_000_000), sizedAgents(50_000)],
};

/** @throws ScaleSeedError `usage` for a size that is unknown. */
export function fixturesOfSize(size: string): readonly Fixture[] {
  const fixtures = SIZES[size];
  if (fixtures !== undefined) return fixtures();
  throw new ScaleSeedError(`there is no size ${size}`, {
    code: 'usage',
    phase: 'configure',
    hint: `sizes are ${Object.keys(SIZES).join(', ')}`,
  });
}

export function rowsOf(fixtures: readonly Fixture[]): number {
  return fixtures.reduce((sum, { count }) => sum + count, 0);
}
