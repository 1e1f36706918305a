import type { Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf, refusal, type ErrorContext } from '../errors.js';
import type { BaselineFlags } from './read-baseline.js';

const OPTIONS = ['output', 'summary', 'junit', 'benchmark'] as const;

/** Options that name a file to be written, as commander parses them. */
export type FileFlags = Partial<Record<(typeof OPTIONS)[number], string>>;

/** What stands for standard output in place of a file. */
export const STDOUT = '-';

const REFUSED = { code: 'configuration', state: 'nothing was changed' } as const;

/**
 * Finds out before anything is done whether all that is to be written can be, each to a file of its own. What is written
 * to `unasked`, since a variable names it, need not be there.
 *
 * @throws ScaleSeedError `configuration`, which names the option.
 */
export async function refuseUnwritable(
  flags: FileFlags & BaselineFlags,
  unasked: Readonly<Record<string, string | undefined>> = {},
): Promise<void> {
  const { fstatSync } = process.getBuiltinModule('node:fs');
  const taken = new Map<string, string>();
  const take = (place: string | undefined, what: string, file = ''): void => {
    if (place === undefined) return;
    const other = taken.get(place);
    if (other !== undefined)
      throw refusal(`${other} and ${what} name one file: ${file}`, 'give each a file of its own', REFUSED);
    taken.set(place, what);
  };
  try {
    take(identityOf(fstatSync(1)), 'standard output');
  } catch {
    // It is closed.
  }
  for (const [name, file] of Object.entries(unasked)) {
    if (file) take(await writablePlace(file).catch(() => undefined), name);
  }
  // What is read must not be written over: the next run compares with it, too.
  const { baseline } = flags;
  if (baseline !== undefined)
    take(await writablePlace(baseline).catch(() => undefined), '--baseline', baseline);
  for (const option of OPTIONS) {
    const file = flags[option];
    if (file === undefined || (option === 'output' && file === STDOUT)) continue;
    const place = await writablePlace(file).catch((error: unknown) => {
      throw unwritable(option, file, error, REFUSED);
    });
    take(place, `--${option}`, file);
  }
}

/** What a file is known by, whatever leads there; a device, such as /dev/null, takes from anybody. */
function identityOf(found: Stats): string | undefined {
  return found.isCharacterDevice() ? undefined : `${found.dev}:${found.ino}`;
}

/** The same of a file that can be written or made, which is known by its path until it is there. */
async function writablePlace(file: string): Promise<string | undefined> {
  // Asked for here and not before, as wherever files are the exception: it is a millisecond of a command's start.
  const { access, constants, readlink, realpath, stat } = process.getBuiltinModule('node:fs/promises');
  if (file === '') throw new Error('it has no name');
  const found = await stat(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) {
    if (/[/\\]$/.test(file)) throw new Error('there is no such folder');
    const target = await readlink(file).catch(() => undefined);
    if (target !== undefined) return writablePlace(resolve(dirname(file), target));
    const folder = await realpath(dirname(resolve(file)));
    await access(folder, constants.W_OK);
    return join(folder, basename(file));
  }
  if (found.isDirectory()) throw new Error('it is a folder');
  await access(file, constants.W_OK);
  return identityOf(found);
}

/**
 * Writes what a command found to the file that an option names, if it does.
 *
 * @throws ScaleSeedError `output`, which names the option.
 */
export async function writeResult(
  option: keyof FileFlags,
  file: string | undefined,
  text: string,
  flag: 'w' | 'a' = 'w',
): Promise<void> {
  if (file === undefined) return;
  if (option === 'output' && file === STDOUT) return void process.stdout.write(text);
  const { writeFile } = process.getBuiltinModule('node:fs/promises');
  await writeFile(file, text, { flag }).catch((error: unknown) => {
    throw unwritable(option, file, error, {
      code: 'output',
      state: 'the command itself is done and committed',
    });
  });
}

/** Waits for all that is being written: one that cannot be keeps no other from being there. */
export async function allWritten(writing: readonly Promise<void>[]): Promise<void> {
  const written = await Promise.allSettled(writing);
  const failure = written.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function unwritable(
  option: string,
  file: string,
  error: unknown,
  more: Pick<ErrorContext, 'code' | 'state'>,
): Error {
  return refusal(`--${option} ${file} cannot be written: ${messageOf(error)}`, `check --${option}`, more);
}
