import { lstatSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * Has Node keep the code that it compiles (22.1 and later), which saves 7 to 13 ms of a load. Whoever could write there could
 * have us run code of theirs: it is a folder in the user's cache directory, as long as both are this user's alone.
 */
export function keepCompiledCode(): void {
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown };
  if (enableCompileCache === undefined) return;
  try {
    const caches = cacheDirectory();
    const folder = join(caches, 'scale-seed');
    if (isAbsolute(caches) && isMadeOurs(caches) && isMadeOurs(folder)) enableCompileCache(folder);
  } catch {
    // A home that is missing, or cannot be written to, has no cache.
  }
}

function cacheDirectory(): string {
  const inHome = process.platform === 'darwin' ? 'Library/Caches' : '.cache';
  const named = process.env.XDG_CACHE_HOME ?? '';
  // As its specification has it, a relative one does not count.
  return isAbsolute(named) ? named : join(homedir(), inHome);
}

/** A fresh machine has no cache directory yet. None is made in a home of another user's, who could not write to it. */
function isMadeOurs(folder: string): boolean {
  const isMissing = lstatSync(folder, { throwIfNoEntry: false }) === undefined;
  if (isMissing && isOursAlone(dirname(folder))) mkdirSync(folder, { mode: 0o700 });
  return isOursAlone(folder);
}

/** A link may lead anywhere, and Windows tells no owner. */
function isOursAlone(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}
