/** One workflow command. Its text may hold rows of the database, so nothing in it must read as a command. */
export function annotate(level: 'error' | 'warning', title: string, message: string): string {
  const named = escapeData(`scale-seed ci: ${title}`).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return `::${level} title=${named}::${escapeData(message)}\n`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Workflow commands, where it is GitHub that runs this. */
export function tellGitHub(commands: string): void {
  if (onGitHub()) process.stderr.write(commands);
}

export function onGitHub(): boolean {
  return process.env.GITHUB_ACTIONS === 'true';
}
