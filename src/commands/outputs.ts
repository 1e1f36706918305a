import { basename, dirname, join, resolve } from 'node:path';
import { messageOf, refusal } from '../errors.js';

const OPTIONS = ['output', 'summary', 'junit', 'benchmark'] as const;

/** Options that name a file to be written, as commander parses them. */
export type FileFlags = Partial<Record<(typeof OPTIONS)[number], string>>;

/** What stands for standard output in place of a file. */
export const STDOUT = '-';

/**
 * Finds out before anything is done whether all that is to be written can be, each to a file of its own.
 *
 * @throws ScaleSeedError `configuration`, which names the option.
 */
export async function refuseUnwritable(flags: FileFlags): Promise<void> {
  const code = 'configuration';
  const state = 'nothing was changed';
  const taken = new Map<string, string>();
  for (const option of OPTIONS) {
    const file = flags[option];
    if (file === undefined || (option === 'output' && file === STDOUT)) continue;
    const place = await writablePlace(file).catch((error: unknown) => {
      throw unwritable(option, file, error, state);
    });
    const other = taken.get(place);
    if (other !== undefined)
      throw refusal(`--${other} and --${option} name one file: ${file}`, 'give each a file of its own', {
        code,
        state,
      });
    taken.set(place, option);
  }
}

/** Where a file is or will be, whatever links lead there. */
async function writablePlace(file: string): Promise<string> {
  // Asked for here and not before, as wherever files are the exception: it is a millisecond of a command's start.
  const { access, constants, realpath, stat } = process.getBuiltinModule('node:fs/promises');
  const found = await stat(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) {
    const folder = await realpath(dirname(resolve(file)));
    await access(folder, constants.W_OK);
    return join(folder, basename(file));
  }
  if (found.isDirectory()) throw new Error('it is a folder');
  await access(file, constants.W_OK);
  return realpath(file);
}

/**
 * Writes what a command found to the file that an option names, if it does.
 *
 * @throws ScaleSeedError `configuration`, which names the option.
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
    throw unwritable(option, file, error, 'the command itself is done and committed');
  });
}

function unwritable(option: string, file: string, error: unknown, state: string): Error {
  const message = `--${option} ${file} cannot be written: ${messageOf(error)}`;
  return refusal(message, `check --${option}`, { code: 'configuration', state });
}
