import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { withoutPasswords } from '../errors.js';
import { annotate, tellGitHub } from '../show/annotate.js';
import { registerCi } from './ci.js';
import { registerClean } from './clean.js';
import { reportFailure } from './conclude.js';
import { registerDb } from './db.js';
import { EXIT } from './exit-codes.js';
import { endForeignCode } from './foreign-code.js';
import { registerGenerate } from './generate.js';
import { withProgramHelp } from './help.js';
import { registerList } from './list.js';
import { registerLoad } from './load.js';
import { registerManifest } from './manifest.js';
import { registerReset } from './reset.js';
import { registerVerify } from './verify.js';

/** Runs what the process was called with; afterwards its exit code is set. */
export async function runProgram(): Promise<void> {
  fail();
  watchOutput();
  process.on('exit', refuseEarlyEnd);
  try {
    const program = describeProgram();
    // What help exits with, where it was asked for.
    process.exitCode = EXIT.done;
    program.hook('preAction', fail);
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
    else process.exitCode = reportFailure(error);
  }
  process.off('exit', refuseEarlyEnd);
  await endForeignCode();
}

/** A fixture file may end the process, or wait for what never comes: that is no success of ours, nor is it to go unsaid. */
function refuseEarlyEnd(code: number): void {
  // A second Ctrl-C ends the process as it is.
  if (code === EXIT.sigint || code === EXIT.sigterm) return;
  process.stderr.write(
    'scale-seed: ended before it was through: a fixture has called process.exit, or waits for what never comes\n',
  );
  process.exitCode = EXIT.failed;
}

/** Until a command says otherwise it has failed: a promise that never settles must not look like success. */
function fail(): void {
  process.exitCode = EXIT.failed;
}

function describeProgram(): Command {
  const program = new Command('scale-seed')
    .description('Fills a certctl database with a load-test fleet, fast and the same every time.')
    .version(ownVersion())
    .exitOverride()
    // All messages have one prefix, commander's own too.
    .configureOutput({
      outputError: (text, write) => {
        const message = withoutPasswords(text.replace(/^error: /, ''));
        write(`scale-seed: ${message}`);
        if (process.argv[2] === 'ci') tellGitHub(annotate('error', 'failed', message.trimEnd()));
      },
    })
    .showHelpAfterError('(add --help for more)');
  registerLoad(program);
  registerVerify(program);
  registerReset(program);
  registerClean(program);
  registerCi(program);
  registerList(program);
  registerManifest(program);
  registerGenerate(program);
  registerDb(program);
  withProgramHelp(program);
  return program;
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A reader such as `head` that has seen enough is no failure; a full disk behind standard output is one. */
function watchOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    const stands = 'what was done in the database stands';
    process.stderr.write(`scale-seed: standard output cannot be written: ${error.message}; ${stands}\n`);
    process.once('exit', () => {
      process.exitCode = EXIT.failed;
    });
  });
}
