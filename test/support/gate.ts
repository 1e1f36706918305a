import { onTestFinished } from 'vitest';

export interface Gate {
  /** Settles when the gate is opened. */
  readonly opened: Promise<void>;
  open: () => void;
}

/**
 * What a fixture's generator waits for until the test lets it go on. It opens at the latest when the test is over, so
 * that one that fails leaves no load behind that would hold up those after it.
 */
export function gate(): Gate {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  onTestFinished(open);
  return { opened, open };
}
