import { chooseFixtures, ci, clean, load, reset, verify } from '../../src/index.js';
import type { LoadOptions } from '../../src/operations/load.js';
import type { RunEvent } from '../../src/report/events.js';
import type { Dependents, Report } from '../../src/report/result.js';
import { SIZE, type Check, type Standing } from './place.js';

/** What somebody has agreed to. */
export interface Agreed {
  fixture: string;
  /** Rows of the fixture itself, where they were asked about. */
  rows?: number;
  dependents: readonly Dependents[];
}

/** Where a command runs, and who is told what. */
export interface Run {
  databaseUrl: string;
  signal: AbortSignal;
  onEvent: (event: RunEvent) => void;
  /** Is told each time what the command asks about; the answer is yes. */
  onAgreed: (agreed: Agreed) => void;
}

/** A command with its options, as a role, on a fleet of which so much stands. */
export interface Variant {
  name: string;
  command: Report['command'];
  role: Check;
  standing: Standing;
  mode?: 'online' | 'exclusive';
  dryRun?: true;
  keepDependents?: true;
  run: (run: Run) => Promise<Report>;
}

/** How long exclusive mode may keep readers waiting for its lock. */
export const LOCK_TIMEOUT_MS = 400;

const CHECKS = ['set', 'row'] as const;
const MODES = ['online', 'exclusive'] as const;

const FIXTURES = chooseFixtures(SIZE);

/** One session: statements come in one order. */
const on = ({ databaseUrl, signal, onEvent }: Run) =>
  ({ databaseUrl, signal, onEvent, fixtures: FIXTURES, jobs: 1 }) as const;

const loadWith =
  (options: LoadOptions): Variant['run'] =>
  (run) =>
    load({ ...on(run), lockTimeoutMs: LOCK_TIMEOUT_MS, ...options });

/** A share of the commands settles the tables, as all do by default. */
const loads = MODES.flatMap((mode) =>
  CHECKS.flatMap((role) =>
    (['none', 'half', 'full'] as const).map((standing): Variant => ({
      name: `load-${mode}-${role}-${standing}`,
      command: 'load',
      role,
      standing,
      mode,
      run: loadWith({ mode, settle: role === 'set' && standing !== 'full' }),
    })),
  ),
);

const resets = CHECKS.flatMap((role) => [
  ...MODES.map((mode): Variant => ({
    name: `reset-${mode}-${role}`,
    command: 'reset',
    role,
    standing: 'gap',
    mode,
    run: (run) => reset({ ...on(run), lockTimeoutMs: LOCK_TIMEOUT_MS, mode, settle: role === 'set' }),
  })),
  {
    name: `reset-keep-dependents-${role}`,
    command: 'reset',
    role,
    standing: 'gap',
    keepDependents: true,
    run: (run) => reset({ ...on(run), keepDependents: true, settle: false }),
  } satisfies Variant,
  {
    name: `reset-confirm-${role}`,
    command: 'reset',
    role,
    standing: 'gap',
    run: (run) =>
      reset({
        ...on(run),
        settle: false,
        confirm: ({ fixture, dependents }) => {
          run.onAgreed({ fixture, dependents });
          return Promise.resolve(true);
        },
      }),
  } satisfies Variant,
]);

const cleans = CHECKS.flatMap((role): Variant[] => [
  {
    name: `clean-${role}`,
    command: 'clean',
    role,
    standing: 'gap',
    run: (run) => clean({ ...on(run), settle: role === 'set' }),
  },
  {
    name: `clean-confirm-${role}`,
    command: 'clean',
    role,
    standing: 'gap',
    run: (run) =>
      clean({
        ...on(run),
        settle: false,
        confirm: ({ fixture, rows, dependents }) => {
          run.onAgreed({ fixture, rows, dependents });
          return Promise.resolve(true);
        },
      }),
  },
]);

export const VARIANTS: readonly Variant[] = [
  ...loads,
  ...CHECKS.map((role): Variant => ({
    name: `load-create-parents-${role}`,
    command: 'load',
    role,
    standing: 'orphan',
    run: loadWith({ createParents: true, settle: false }),
  })),
  {
    name: 'load-dry-run',
    command: 'load',
    role: 'set',
    standing: 'half',
    dryRun: true,
    run: loadWith({ dryRun: true }),
  },
  {
    name: 'verify',
    command: 'verify',
    role: 'row',
    standing: 'gap',
    run: (run) => verify(on(run)),
  },
  ...resets,
  {
    name: 'reset-dry-run',
    command: 'reset',
    role: 'set',
    standing: 'gap',
    dryRun: true,
    run: (run) => reset({ ...on(run), dryRun: true }),
  },
  ...cleans,
  {
    name: 'clean-dry-run',
    command: 'clean',
    role: 'set',
    standing: 'gap',
    dryRun: true,
    run: (run) => clean({ ...on(run), dryRun: true }),
  },
  {
    name: 'ci',
    command: 'ci',
    role: 'set',
    standing: 'half',
    run: (run) => ci({ ...on(run), settle: false, budgetRatio: 100 }),
  },
];
