import { Option } from 'commander';
import { refusal } from '../errors.js';
import type { FixtureChoice } from '../fixtures/registry.js';
import { SET_NAMES } from '../fixtures/set-names.js';
import type { FixtureOptions } from '../run/options.js';
import type { Definition, OptionSpec } from './define-command.js';
import { choiceOption, parseDuration, parseJobs, parseRows } from './parse.js';

const FORMATS = ['text', 'json', 'markdown'] as const;

/** Options that say which fixtures, as commander parses them. */
export interface FixtureFlags extends Pick<FixtureChoice, 'set' | 'certs' | 'agents'> {
  fixture: string[];
}

/** Options that say which database, as commander parses them. */
interface DatabaseFlags {
  databaseUrl?: string;
  embedded?: true;
  dataDirectory?: string;
  schema: string[];
  jobs?: number;
  wait?: number;
  timeout?: number;
}

/** Options that say what is told on standard error, as commander parses them. */
export interface ProgressFlags {
  quiet?: true;
  verbose?: true;
  progress: boolean;
}

/** Options of what works on fixtures in a database, as commander parses them. */
export type TargetFlags = FixtureFlags & DatabaseFlags & ProgressFlags;

/** The same with those of what ends in a report. */
export interface OperationFlags extends TargetFlags {
  format: (typeof FORMATS)[number];
  output?: string;
}

function repeatable(flags: string, meaning: string, otherwise: string): Option {
  return new Option(flags, `${meaning}; may be repeated`)
    .argParser((value: string, before: string[]) => [...before, value])
    .default([], otherwise);
}

/** `--fixture FILE`, which may be repeated. */
export function fixtureFileOption(): Option {
  return repeatable('--fixture <file>', 'a fixture of your own: an ES module', 'none');
}

export const SIZE_OPTIONS: readonly OptionSpec[] = [
  ['--certs <n>', 'a fleet of n certificates', parseRows],
  ['--agents <m>', 'a fleet of m agents', parseRows],
];

const PROGRESS_OPTIONS: readonly OptionSpec[] = [
  ['--quiet', 'no progress and no notices on standard error; confirmations and errors stay'],
  ['--no-progress', 'no progress on standard error'],
  new Option('--verbose', 'each step with its time on standard error').conflicts(['quiet']),
];

/** What a command has that works on fixtures in a database. */
export const TARGET = {
  argument: ['[fixture...]', 'fixtures by name; see `scale-seed list` (default: 01 and 02)'],
  groups: {
    'Which fixtures:': [
      choiceOption('--set <set>', 'a set of fixtures', SET_NAMES),
      ...SIZE_OPTIONS,
      fixtureFileOption(),
    ],
    'Which database:': [
      [
        '--database-url <url>',
        "postgresql://user@host/database, or psql's host=... dbname=... (default: DATABASE_URL, then PG*)",
      ],
      ['--embedded', "scale-seed's own PostgreSQL, started for this command unless it runs"],
      ['--data-directory <dir>', "the embedded server's directory"],
      repeatable(
        '--schema <pattern>',
        "schema of the tables, or a pattern as pg_dump's -n takes it, fleet_*: each holds a fleet of its own",
        'looked up on the search_path',
      ),
      ['--jobs <n>', 'number of sessions (default: one for each processor, at least 2)', parseJobs],
      [
        '--wait <duration>',
        'wait for the server, the tables and the parent rows (default: no wait)',
        parseDuration,
      ],
      ['--timeout <duration>', 'cancel and roll back after this time (default: no limit)', parseDuration],
    ],
    'Output:': PROGRESS_OPTIONS,
  },
} as const satisfies Partial<Definition<TargetFlags>>;

/** The same with what says how it is reported. */
export const OPERATION = {
  ...TARGET,
  groups: {
    ...TARGET.groups,
    'Output:': [
      choiceOption('--format <format>', 'of the report on standard output', FORMATS).default('text'),
      [
        '--output <file>',
        "write the JSON report to a file as well; - is standard output, in place of --format's",
      ],
      ...PROGRESS_OPTIONS,
    ],
  },
} as const satisfies Partial<Definition<OperationFlags>>;

/** The library's options for what the flags say of the database. */
export function databaseOf(flags: DatabaseFlags): FixtureOptions {
  const { databaseUrl, dataDirectory, schema, jobs, wait: waitMs, timeout: timeoutMs } = flags;
  const own = dataDirectory === undefined ? {} : { dataDirectory };
  if (flags.embedded === undefined && dataDirectory !== undefined)
    throw refusal("--data-directory is the embedded server's", 'add --embedded');
  const schemas = schema.length === 0 ? undefined : schema;
  return { databaseUrl, embedded: flags.embedded && own, schemas, jobs, waitMs, timeoutMs };
}
