import type { OnEvent, RunEvent } from '../report/events.js';

/** Prints each step of a run with the time since it began; batches within a phase are not told apart. */
export function traceSteps(print: (line: string) => void): OnEvent {
  const startMs = performance.now();
  const last = new Map<string, string>();
  return (event) => {
    const step = stepOf(event);
    if (step === undefined) return;
    const who = [event.schema, 'fixture' in event ? event.fixture : undefined].filter(Boolean).join('.');
    // Copying and merging take turns, batch after batch.
    if (last.get(who) === step || (step === 'copy' && last.get(who) === 'merge')) return;
    last.set(who, step);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(3);
    print(`scale-seed: ${seconds} s  ${[who, step].filter(Boolean).join(': ')}`);
  };
}

function stepOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'stage':
      return event.stage;
    case 'phase':
      return event.phase;
    case 'done':
      return 'done';
    case 'settle':
      return `settle ${event.table}`;
    case 'measure':
      return `measure round ${event.round}`;
    case 'notice':
    case 'progress':
    case 'end':
    case 'confirmation':
      return undefined;
  }
}
