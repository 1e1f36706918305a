import type { Command } from 'commander';
import type { EmbeddedStatus } from '../embedded/index.js';
import { seedParents } from '../run/with-database.js';
import { ScaleSeedError } from '../errors.js';
import { confirmOnTerminal } from './confirm.js';
import { EXIT } from './exit-codes.js';
import { withHelp } from './help.js';
import { onInterrupt } from './interrupt.js';
import { choiceOption, parsePort } from './parse.js';

/** Loaded when it is asked for: most commands have no use for it. */
const embedded = () => import('../embedded/index.js');

interface DbFlags {
  dataDirectory?: string;
  port?: number;
  migrations?: string;
  format: 'text' | 'json';
  yes?: true;
}

type Action = (flags: DbFlags & { signal: AbortSignal }) => Promise<void>;

/** `scale-seed db`. */
export function registerDb(program: Command): void {
  const db = program
    .command('db')
    .description('the embedded server, for use with psql or the other commands');
  const add = (name: string, description: string, action: Action): Command =>
    db
      .command(name)
      .description(description)
      .option(
        '--data-directory <dir>',
        "the server's directory (default: SCALE_SEED_DATA_DIR, or the platform's)",
      )
      .action((flags: DbFlags) => untilInterrupted(action, flags));
  add('start', 'start it; it runs until `db stop`', start)
    .option('--port <port>', 'on 127.0.0.1 (default: that of last time)', parsePort)
    .option('--migrations <dir>', "migrate with a certctl checkout's own files");
  add('stop', 'stop it', stop);
  add('status', 'whether it runs, and where', status).addOption(
    choiceOption('--format <format>', 'of the answer', ['text', 'json']).default('text'),
  );
  add('url', 'its URL; the password is in a file that the URL names', url);
  add('destroy', 'stop it and remove its data', destroy).option('--yes', 'do not ask');
  withHelp(db, [
    ['scale-seed db start', 'prints the URL'],
    ['psql "$(scale-seed db url)"', 'a look at it'],
    ['scale-seed db stop', 'its data stays'],
    ['scale-seed db destroy --yes', 'its data goes'],
  ]);
}

async function untilInterrupted(action: Action, flags: DbFlags): Promise<void> {
  const { signal, off } = onInterrupt();
  await action({ ...flags, signal }).finally(off);
  process.exitCode = EXIT.done;
}

const start: Action = async (flags) => {
  const { startEmbedded } = await embedded();
  const server = await startEmbedded({ ...flags, keepRunning: true, seed: seedParents, onNotice: say });
  await server.stop();
  say(`PostgreSQL ${server.version} ${server.startedHere ? 'started' : 'was running already'}`);
  process.stdout.write(`${server.url}\n`);
};

const stop: Action = async (flags) => {
  const { stopEmbedded } = await embedded();
  say((await stopEmbedded(flags)) ? 'stopped' : 'it was not running');
};

const status: Action = async (flags) => {
  const { embeddedStatus } = await embedded();
  const found = await embeddedStatus(flags);
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(found, null, 2)}\n` : describe(found));
};

const url: Action = async (flags) => {
  const { embeddedStatus } = await embedded();
  const found = await embeddedStatus(flags);
  if (found.url === undefined) {
    const hint = '`scale-seed db start` starts it';
    const code = { code: 'embedded', phase: 'embedded' } as const;
    throw new ScaleSeedError('the embedded server is not running', { ...code, hint });
  }
  process.stdout.write(`${found.url}\n`);
};

const destroy: Action = async (flags) => {
  const { embeddedStatus, destroyEmbedded } = await embedded();
  const { dataDirectory } = await embeddedStatus(flags);
  const question = `Remove ${dataDirectory} and all that is in it?`;
  const agreed = flags.yes === true || (await confirmOnTerminal(question, flags.signal));
  say(agreed && (await destroyEmbedded(flags)) ? `removed ${dataDirectory}` : 'nothing was removed');
};

function describe({ initialised, running, dataDirectory, version, port, pid, url }: EmbeddedStatus): string {
  if (running)
    return `running: PostgreSQL ${version ?? ''}, port ${port ?? ''}, pid ${pid ?? ''}, ${dataDirectory}\n${url ?? ''}\n`;
  if (initialised) return `stopped; its directory is ${dataDirectory}\n`;
  return `not initialised; its directory would be ${dataDirectory}\n`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
