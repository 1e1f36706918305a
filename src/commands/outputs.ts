import type { Stats } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { messageOf, refusal, type ErrorContext } from '../errors.js';
import type { FixtureFlags } from './shared-options.js';

const OPTIONS = ['output', 'summary', 'junit', 'benchmark'] as const;

/** Options that name a file to be written, as commander parses them. */
export type FileFlags = Partial<Record<(typeof OPTIONS)[number], string>>;

/** What stands for standard output in place of a file. */
export const STDOUT = '-';

const REFUSED = { code: 'configuration', state: 'nothing was changed' } as const;

/** What a command writes besides, and reads. */
interface Others {
  /** A report goes to standard output; true by default. */
  stdout?: boolean;
  /** Files that a variable names: what cannot be written there need not be. */
  unasked?: Readonly<Record<string, string | undefined>>;
}

/** Refuses, before anything is done, files that cannot be written, are named twice, or are read: they would be lost. */
export async function refuseUnwritable(
  flags: FileFlags & { baseline?: string } & Partial<Pick<FixtureFlags, 'fixture'>>,
  { stdout = true, unasked = {} }: Others = {},
): Promise<void> {
  const { fstatSync } = process.getBuiltinModule('node:fs');
  const taken = new Map<string, string>();
  const take = (place: string | undefined, what: string, file = ''): void => {
    if (place === undefined) return;
    const other = taken.get(place);
    if (other !== undefined && other !== what)
      throw refusal(`${other} and ${what} name one file: ${file}`, 'give each a file of its own', REFUSED);
    taken.set(place, what);
  };
  const takeIfThere = async (file: string | undefined, what: string): Promise<void> => {
    if (file) take(await writablePlace(file).catch(() => undefined), what, file);
  };
  try {
    if (stdout) take(placeOf(fstatSync(1)), 'standard output');
  } catch {
    // It is closed.
  }
  for (const [name, file] of Object.entries(unasked)) await takeIfThere(file, name);
  await takeIfThere(flags.baseline, '--baseline');
  for (const file of flags.fixture ?? []) await takeIfThere(file, '--fixture');
  for (const option of OPTIONS) {
    const file = flags[option];
    if (file === undefined || (option === 'output' && file === STDOUT)) continue;
    if (file === STDOUT)
      throw refusal(`--${option} takes a file, and only --output standard output`, 'name a file', REFUSED);
    const place = await writablePlace(file).catch((error: unknown) => {
      throw unwritable(`--${option}`, file, error, REFUSED);
    });
    take(place, `--${option}`, file);
  }
}

/** What a file is known by, whatever leads there; a device, such as /dev/null, takes from anybody. */
function placeOf(found: Stats): string | undefined {
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
    // Not by resolve() or join(), which take `..` away before the link in front of it is followed.
    if (target !== undefined)
      return writablePlace(isAbsolute(target) ? target : `${dirname(file)}/${target}`);
    const folder = await realpath(dirname(file));
    await access(folder, constants.W_OK);
    return join(folder, basename(file));
  }
  if (found.isDirectory()) throw new Error('it is a folder');
  await access(file, constants.W_OK);
  return placeOf(found);
}

/** Writes what a command found to the file that an option, or a variable, names, if it does. */
export async function writeResult(
  what: `--${keyof FileFlags}` | 'GITHUB_STEP_SUMMARY',
  file: string | undefined,
  text: string,
  flag: 'w' | 'a' = 'w',
): Promise<void> {
  if (file === undefined) return;
  if (what === '--output' && file === STDOUT) return void process.stdout.write(text);
  const { writeFile } = process.getBuiltinModule('node:fs/promises');
  await writeFile(file, text, { flag }).catch((error: unknown) => {
    throw unwritable(what, file, error, {
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
  what: string,
  file: string,
  error: unknown,
  more: Pick<ErrorContext, 'code' | 'state'>,
): Error {
  return refusal(`${what} ${file} cannot be written: ${messageOf(error)}`, `check ${what}`, more);
}
