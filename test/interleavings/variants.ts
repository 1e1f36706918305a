import { chooseFixtures, ci, clean, load, reset, verify } from '../../src/index.js';
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

/** What its options make of a command. */
interface Options {
  mode?: 'online' | 'exclusive';
  settle?: boolean;
  dryRun?: boolean;
  createParents?: boolean;
  keepDependents?: boolean;
  budgetRatio?: number;
  confirm?: true;
}

/** A command with its options, as a role, on a fleet of which so much stands. */
export interface Variant {
  name: string;
  command: Report['command'];
  role: Check;
  standing: Standing;
  options: Options;
}

/** How long exclusive mode may keep readers waiting for its lock. */
export const LOCK_TIMEOUT_MS = 400;

const FIXTURES = chooseFixtures(SIZE);

/** Runs a command. In one session: statements come in one order. */
export function run(
  { command, options }: Variant,
  { databaseUrl, signal, onEvent, onAgreed }: Run,
): Promise<Report> {
  const { confirm, ...rest } = options;
  const own = { databaseUrl, signal, onEvent, fixtures: FIXTURES, jobs: 1, ...rest } as const;
  const asks = confirm && {
    confirm: (plan: Agreed) => {
      onAgreed(plan);
      return Promise.resolve(true);
    },
  };
  const limits = { lockTimeoutMs: LOCK_TIMEOUT_MS };
  switch (command) {
    case 'load':
      return load({ ...own, ...limits });
    case 'verify':
      return verify(own);
    case 'reset':
      return reset({ ...own, ...limits, ...asks });
    case 'clean':
      return clean({ ...own, ...asks });
    case 'ci':
      return ci({ ...own, ...limits });
  }
}

const CHECKS = ['set', 'row'] as const;
const MODES = ['online', 'exclusive'] as const;

const variant = (
  name: string,
  command: Report['command'],
  standing: Standing,
  role: Check,
  options: Options = {},
): Variant => ({ name, command, role, standing, options });

/** A share of the commands settles the tables, as all do by default. */
export const VARIANTS: readonly Variant[] = [
  ...MODES.flatMap((mode) =>
    CHECKS.flatMap((role) =>
      (['none', 'half', 'full'] as const).map((standing) =>
        variant(`load-${mode}-${role}-${standing}`, 'load', standing, role, {
          mode,
          settle: role === 'set' && standing !== 'full',
        }),
      ),
    ),
  ),
  ...CHECKS.flatMap((role) => [
    variant(`load-online-${role}-beyond`, 'load', 'beyond', role, { settle: false }),
    variant(`load-create-parents-${role}`, 'load', 'orphan', role, { createParents: true, settle: false }),
    ...MODES.map((mode) =>
      variant(`reset-${mode}-${role}`, 'reset', 'gap', role, { mode, settle: role === 'set' }),
    ),
    variant(`reset-keep-dependents-${role}`, 'reset', 'gap', role, { keepDependents: true, settle: false }),
    variant(`reset-confirm-${role}`, 'reset', 'gap', role, { confirm: true, settle: false }),
    variant(`clean-${role}`, 'clean', 'gap', role, { settle: role === 'set' }),
    variant(`clean-confirm-${role}`, 'clean', 'gap', role, { confirm: true, settle: false }),
  ]),
  variant('load-bare-half', 'load', 'half', 'bare', { settle: false }),
  variant('clean-bare', 'clean', 'gap', 'bare', { settle: false }),
  variant('clean-confirm-bare', 'clean', 'gap', 'bare', { confirm: true, settle: false }),
  variant('load-dry-run', 'load', 'half', 'set', { dryRun: true }),
  variant('reset-dry-run', 'reset', 'gap', 'set', { dryRun: true }),
  variant('clean-dry-run', 'clean', 'gap', 'set', { dryRun: true }),
  variant('verify', 'verify', 'gap', 'row'),
  variant('ci', 'ci', 'half', 'set', { settle: false, budgetRatio: 100 }),
];
