import { describe, expect, it } from 'vitest';
import { runHere } from './runHere.js';

interface Report {
  readonly findings: { readonly name: string; readonly state: string; readonly detail: string }[];
}

describe('spark-rl doctor', () => {
  it('finds every part of the embedded default in order, and says why there is no CUDA', async () => {
    const done = await runHere(['doctor', '--json']);
    const { findings } = done.json() as Report;
    expect(findings.filter((finding) => finding.state === 'failed')).toEqual([]);
    expect(done.code).toBe(0);
    const state = Object.fromEntries(findings.map((finding) => [finding.name, finding.state]));
    expect(state).toMatchObject({ 'training engine': 'ok', inference: 'ok', tools: 'ok' });
    expect(findings.find((finding) => finding.name === 'CUDA backend')!.detail).not.toBe('');
  });

  it('fails where a judge is asked for and no key is there', async () => {
    const done = await runHere(['doctor', '--judge', 'api', '--json']);
    expect(done.code).toBe(1);
    const { findings } = done.json() as Report;
    expect(findings.find((finding) => finding.name === 'judge key')).toMatchObject({ state: 'failed' });
  });
});
