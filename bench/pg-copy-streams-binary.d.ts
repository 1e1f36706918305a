declare module 'pg-copy-streams-binary' {
  import type { Transform } from 'node:stream';

  const streams: { rowWriter: () => Transform };
  export default streams;
}
