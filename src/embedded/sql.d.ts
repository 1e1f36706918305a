/** SQL that the bundler puts in as text. */
declare module '*.sql' {
  const text: string;
  export default text;
}
