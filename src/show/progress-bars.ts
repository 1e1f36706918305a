import { clearScreenDown } from 'node:readline';
import type { WriteStream } from 'node:tty';
import { MultiBar, type SingleBar } from 'cli-progress';
import { followRun, type Task } from './follow-run.js';
import { nameWidthOf, progressLine } from './progress-line.js';
import type { Display } from './progress.js';

/**
 * A bar for each task on a terminal, redrawn ten times a second. Only as many as the terminal has lines for, and of many
 * schemas those at work: a task that is done then leaves its bar to the next. `keep` leaves the last picture there when the run is over.
 */
export function showBars(stream: WriteStream, { keep }: { keep: boolean }): Display {
  const now = (): number => performance.now();
  const run = followRun(now);
  const shown = new Map<SingleBar, Task>();
  let printing = false;
  const multi = new MultiBar({
    stream,
    format: (_options, _parameters, { task }: { task: Task }) =>
      progressLine(task, {
        columns: stream.columns,
        nameWidth: nameWidthOf([...shown.values()]),
        nowMs: now(),
      }),
    hideCursor: true,
    clearOnComplete: !keep,
    forceRedraw: true,
    // Lines never reach the edge; notices that do shall go on in the next.
    linewrap: true,
    gracefulExit: false,
  });
  multi.on('redraw-pre', () => {
    if (printing) clearScreenDown(stream);
  });

  function place(task: Task): void {
    if ([...shown.values()].includes(task)) return;
    const full = shown.size >= Math.max(1, stream.rows - 2);
    // Many schemas would fill the terminal with what is done.
    const free =
      full || task.schema !== undefined
        ? [...shown].find(([, { phase }]) => phase === 'done')?.[0]
        : undefined;
    if (free !== undefined) {
      free.update({ task });
      shown.set(free, task);
    } else if (!full) shown.set(multi.create(1, 0, { task }), task);
  }

  function print(line: string): void {
    multi.log(`${line}\n`);
    printing = true;
    multi.update();
    printing = false;
  }

  function stop(): void {
    process.off('exit', stop);
    if (shown.size === 0) return;
    for (const [bar, { phase }] of shown) {
      if (phase === 'settle' || phase === 'measure') multi.remove(bar);
    }
    multi.stop();
    shown.clear();
  }

  // However the process ends, the cursor comes back.
  process.once('exit', stop);
  return {
    step: (event) => {
      place(run.step(event));
    },
    end: run.end,
    print: (line) => {
      if (shown.size === 0) stream.write(`${line}\n`);
      else print(line);
    },
    stop,
  };
}
