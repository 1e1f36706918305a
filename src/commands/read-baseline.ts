import { messageOf, refusal } from '../errors.js';
import { asBaseline, type Baseline } from '../judge/baseline.js';

/** The report that ci is to compare with, if any. */
export async function readBaseline(file: string | undefined): Promise<Baseline | undefined> {
  if (file === undefined) return undefined;
  const { readFile } = process.getBuiltinModule('node:fs/promises');
  const text = await readFile(file, 'utf8').catch((error: unknown) => unreadable(file, error));
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    unreadable(file, error);
  }
  return asBaseline(found);
}

function unreadable(file: string, error: unknown): never {
  throw refusal(
    `the baseline ${file} cannot be read: ${messageOf(error)}`,
    'name what an earlier run wrote with --output, or leave out --baseline on the first run',
    { code: 'configuration' },
  );
}
