import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, ScaleSeedError } from '../errors.js';

/**
 * Finds out before anything is done whether what it will find can be written.
 *
 * @throws ScaleSeedError `configuration`, which names the option.
 */
export async function refuseUnwritable(file: string | undefined, option: string): Promise<void> {
  if (file === undefined) return;
  try {
    await access(file, constants.W_OK).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      return access(dirname(file), constants.W_OK);
    });
  } catch (error) {
    throw new ScaleSeedError(`the report could not be written: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      state: 'nothing was changed',
      hint: `check ${option}`,
    });
  }
}

/**
 * Writes what a command found to the file that an option names.
 *
 * @throws ScaleSeedError `configuration`, which names the option.
 */
export async function writeResult(
  file: string,
  text: string,
  option: string,
  flag: 'w' | 'a' = 'w',
): Promise<void> {
  try {
    await writeFile(file, text, { flag });
  } catch (error) {
    throw new ScaleSeedError(`the report cannot be written: ${messageOf(error)}`, {
      code: 'configuration',
      phase: 'configure',
      state: 'the command itself is done and committed',
      hint: `check ${option}`,
    });
  }
}
