import { defineConfig } from 'vitest/config';

const UNIT = 'test/**/*.unit.test.ts';

/**
 * `*.unit.test.ts` needs no server, and is all that `npm run test:unit` runs; every other `*.test.ts` may take a clone of
 * the database that the global set-up makes; `*.test-d.ts` is never run, only type-checked against the built package.
 */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    env: { LOADTEST_SCALE_SEED: 'true' },
    projects: [
      { extends: true, test: { name: 'unit', include: [UNIT] } },
      {
        extends: true,
        test: {
          name: 'server',
          include: ['test/**/*.test.ts'],
          exclude: [UNIT],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/types/*.test-d.ts'],
            tsconfig: 'test/types/tsconfig.json',
          },
        },
      },
    ],
  },
});
