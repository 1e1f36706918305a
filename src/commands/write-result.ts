import { writeFile } from 'node:fs/promises';
import { messageOf, ScaleSeedError } from '../errors.js';

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
