import type { Command } from 'commander';
import type * as embedded from '../embedded/index.js';
import { seedParents } from '../run/context.js';
import { ScaleSeedError } from '../errors.js';
import { confirmOnTerminal } from './confirm.js';
import { EXIT } from './exit-codes.js';
import { withHelp, type Examples } from './help.js';
import { onInterrupt } from './interrupt.js';
import { choiceOption, parsePort } from './parse.js';

interface DbFlags {
  dataDirectory?: string;
  port?: number;
  format: 'text' | 'json';
  yes?: true;
  signal: AbortSignal;
}

type Action = (server: typeof embedded, flags: DbFlags) => Promise<void>;

const WHERE = "the server's directory (default: SCALE_SEED_DATA_DIR, or the platform's)";

/** `scale-seed db`. */
export function registerDb(program: Command): void {
  const db = program.command('db');
  db.description('the embedded server, for use with psql or the other commands');
  const add = (name: string, description: string, action: Action, ...more: Examples): Command => {
    const command = db.command(name).description(description);
    withHelp(command, [[`scale-seed db ${name}`, description], ...more]);
    return command
      .option('--data-directory <dir>', WHERE)
      .action((flags: Omit<DbFlags, 'signal'>) => perform(action, flags));
  };
  add('start', 'start it; it runs until `db stop`', start, [
    'scale-seed db start --port 5433',
    'on that port',
  ]).option('--port <port>', 'on 127.0.0.1 (default: that of last time)', parsePort);
  add('stop', 'stop it', async ({ stopEmbedded }, flags) => {
    say((await stopEmbedded(flags)) ? 'stopped' : 'it was not running');
  });
  const format = choiceOption('--format <format>', 'of the answer', ['text', 'json']).default('text');
  add('status', 'whether it runs, and where', async ({ embeddedStatus }, flags) => {
    const found = await embeddedStatus(flags);
    print(flags.format === 'json' ? JSON.stringify(found, null, 2) : describe(found));
  }).addOption(format);
  add('url', 'its URL, which names the file of its password', url, ['psql "$(scale-seed db url)"', 'a look']);
  add('destroy', 'stop it and remove its data', destroy, [
    'scale-seed db destroy --yes',
    'in a script',
  ]).option('--yes', 'do not ask');
  withHelp(db, [
    ['scale-seed db start', 'prints the URL'],
    ['psql "$(scale-seed db url)"', 'a look at it'],
    ['scale-seed db stop', 'its data stays'],
    ['scale-seed db destroy --yes', 'its data goes'],
  ]);
}

/** The server's code is loaded only here: most commands have no use for it. */
async function perform(action: Action, flags: Omit<DbFlags, 'signal'>): Promise<void> {
  const { signal, off } = onInterrupt();
  await action(await import('../embedded/index.js'), { ...flags, signal }).finally(off);
  process.exitCode = EXIT.done;
}

const start: Action = async ({ startEmbedded }, flags) => {
  const server = await startEmbedded({ ...flags, keepRunning: true, seed: seedParents, onNotice: say });
  await server.stop();
  say(`PostgreSQL ${server.version} ${server.startedHere ? 'started' : 'was running already'}`);
  print(server.url);
};

const url: Action = async ({ embeddedStatus }, flags) => {
  const found = await embeddedStatus(flags);
  const context = { code: 'embedded', phase: 'embedded', hint: '`scale-seed db start` starts it' } as const;
  if (!found.url) throw new ScaleSeedError('the embedded server is not running', context);
  print(found.url);
};

const destroy: Action = async ({ embeddedStatus, destroyEmbedded }, flags) => {
  const { dataDirectory } = await embeddedStatus(flags);
  const question = `Remove ${dataDirectory} and all that is in it?`;
  const agreed = flags.yes ?? (await confirmOnTerminal(question, flags.signal));
  say(agreed && (await destroyEmbedded(flags)) ? `removed ${dataDirectory}` : 'nothing was removed');
};

function describe({ initialised, running, dataDirectory, ...server }: embedded.EmbeddedStatus): string {
  const { version = '', port = '', pid = '', url = '' } = server;
  if (running) return `running: PostgreSQL ${version}, port ${port}, pid ${pid}, ${dataDirectory}\n${url}`;
  if (initialised) return `stopped; its directory is ${dataDirectory}`;
  return `not initialised; its directory would be ${dataDirectory}`;
}

const say = (line: string): void => void process.stderr.write(`scale-seed: ${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);
