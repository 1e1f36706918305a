let isLoaded = false;

/** Says that a fixture file of the user's own is to be loaded: what it logs must not get into a report, or among rows. */
export function admitForeignCode(): void {
  isLoaded = true;
  const { Console } = process.getBuiltinModule('node:console');
  globalThis.console = new Console(process.stderr);
}

/** Ends the process where a fixture file may have left something open that would keep it for ever, once all is written. */
export async function endForeignCode(): Promise<void> {
  if (!isLoaded) return;
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((done) => {
      stream.write('', () => {
        done();
      });
    });
  process.exit();
}
