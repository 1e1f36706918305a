import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { BlockList } from 'node:net';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { composeServices, EXAMPLES, exampleText } from './support/examples.js';
import { loadWorkflowParser } from './support/workflow-parser.js';

const services = await composeServices();
const seed = services['scale-seed']!;

describe('the compose file', () => {
  it('meets the Compose Specification', async () => {
    const linter = dirname(createRequire(import.meta.url).resolve('dclint/package.json'));
    const schema = JSON.parse(await readFile(join(linter, 'schemas/compose.schema.json'), 'utf8')) as object;
    const meets = new Ajv({ strict: false, validateFormats: false }).compile({
      ...schema,
      $schema: 'http://json-schema.org/draft-07/schema#',
    });
    const plain = JSON.parse(JSON.stringify({ services })) as unknown;
    expect(meets(plain), JSON.stringify(meets.errors)).toBe(true);
    expect(meets({ services: { 'scale-seed': { ...seed, depend_on: {} } } })).toBe(false);
  });

  it('seeds once the server has migrated, before every scenario', () => {
    expect(seed).toMatchObject({
      profiles: ['scale'],
      build: { dockerfile: 'examples/Dockerfile' },
      depends_on: {
        postgres: { condition: 'service_healthy' },
        'certctl-server': { condition: 'service_healthy' },
      },
    });
    const scenarios = Object.entries(services).filter(([name]) => name.startsWith('k6-'));
    expect(scenarios.map(([name]) => name)).toEqual([
      'k6-scale-bulk',
      'k6-scale-acme',
      'k6-scale-agent',
      'k6-fleet-heartbeats',
      'k6-fleet-renewals',
    ]);
    for (const [, { depends_on: after }] of scenarios)
      expect(after['scale-seed']).toEqual({ condition: 'service_completed_successfully' });
  });

  it('gives the server what it needs beyond its own file, and changes nothing else of it', () => {
    expect(services['certctl-server']).toEqual({
      environment: {
        CERTCTL_AGENT_BOOTSTRAP_TOKEN: 'load-test-agents',
        CERTCTL_API_KEYS_NAMED: 'loadtest:load-test-token:admin',
        CERTCTL_RATE_LIMIT_ENABLED: 'false',
        CERTCTL_BLOCK_RFC1918_OUTBOUND: 'true',
      },
    });
  });

  it('names the targets that the server would scan, none of which is outside of what it blocks', async () => {
    const text = await exampleText('compose.scale-seed.yaml');
    const targets = [...text.matchAll(/^ +# +(nst-\S+) +(.*?) +ports? /gm)];
    expect(targets.map(([, id, ranges]) => [id, ranges])).toEqual([
      ['nst-dc1-web', '10.0.1.0/24'],
      ['nst-dc2-apps', '10.0.2.0/24, 10.0.3.0/24'],
      ['nst-dmz', '192.168.100.0/24'],
      ['nst-edge', '10.0.5.0/24, 10.0.6.0/24'],
    ]);
    const blocked = new BlockList();
    blocked.addSubnet('10.0.0.0', 8);
    blocked.addSubnet('172.16.0.0', 12);
    blocked.addSubnet('192.168.0.0', 16);
    const ranges = targets.flatMap(([, , all = '']) => all.split(', '));
    for (const range of ranges) expect(blocked.check(range.split('/')[0] ?? ''), range).toBe(true);
  });

  it.each([
    ['k6-fleet-heartbeats', 'agent-heartbeats.js'],
    ['k6-fleet-renewals', 'bulk-renewal.js'],
  ])('runs a script that there is: %s', async (name, script) => {
    const { profiles, volumes, command } = services[name]!;
    expect(profiles).toEqual(['fleet']);
    expect(volumes).toContainEqual({
      type: 'bind',
      source: '${SCALE_SEED_DIR:-../scale-seed}/examples/k6',
      target: '/scripts',
      read_only: true,
    });
    expect([command[0], command.at(-1)]).toEqual(['run', `/scripts/${script}`]);
    expect(await exampleText(`k6/${script}`)).toContain("from './fleet.js'");
  });
});

describe('the Dockerfile', async () => {
  const lines = (await exampleText('Dockerfile')).split('\n');

  it('makes an image that runs as nobody in particular, without the embedded server', () => {
    expect(lines).toContain('USER node');
    expect(lines).toContain('FROM node:24-alpine');
    expect(lines.join('\n')).toContain('npm ci --omit=dev --omit=optional --ignore-scripts');
  });

  it('starts what the compose file starts', () => {
    const wordsOf = (instruction: string): unknown =>
      JSON.parse(
        lines.find((line) => line.startsWith(`${instruction} `))?.slice(instruction.length) ?? 'null',
      );
    expect(wordsOf('ENTRYPOINT')).toEqual(seed.entrypoint);
    expect(wordsOf('CMD')).toEqual(['load']);
  });

  it('copies what there is', async () => {
    const ignored = (await exampleText('Dockerfile.dockerignore')).trimEnd().split('\n');
    expect(ignored[0]).toBe('**');
    for (const path of ignored.slice(1)) {
      expect(spawnSync('test', ['-e', join(EXAMPLES, '..', path.slice(1))]).status, path).toBe(0);
    }
  });
});

describe('the GitHub workflow', () => {
  it('is one by GitHub’s own parser', async () => {
    const content = await exampleText('github-actions.yml');
    const { NoOperationTraceWriter, parseWorkflow } = await loadWorkflowParser();
    const problems = (text: string): string[] =>
      parseWorkflow({ name: 'fleet.yml', content: text }, new NoOperationTraceWriter())
        .context.errors.getErrors()
        .map(({ message }) => message);
    expect(problems(content)).toEqual([]);
    expect(problems(await exampleText('../.github/workflows/ci.yml'))).toEqual([]);
    expect(problems(content.replace('steps:', 'step:'))).not.toEqual([]);
    expect(problems(content.replace('matrix.postgres }}', 'matrix.postgres'))).not.toEqual([]);
  });
});
