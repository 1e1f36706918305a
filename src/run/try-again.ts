import { ScaleSeedError } from '../errors.js';

/** A deadlock, or a transaction that cannot be put in a row with others: what was done is undone, and may come right. */
const TRANSIENT = ['40001', '40P01'];
const MAX_TRIES = 4;

/** What an attempt comes to whose transaction may be tried three times more where another session stood in the way. */
export async function tryAgain<T>(tell: (message: string) => void, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ScaleSeedError) || !TRANSIENT.includes(error.sqlState ?? '')) throw error;
      if (tries === MAX_TRIES)
        throw error.with({ message: `${error.message}; given up after ${tries} tries` });
      tell(`${error.message.replaceAll('\n', ' ')}; rolled back, and tried again`);
    }
  }
}
