import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ConfigPatch,
  inFlightOf,
  patchFromAssignment,
  readConfigFile,
  resolveConfig,
} from '../../../src/config/index.js';

describe('resolveConfig', () => {
  it('has the defaults of the paper', () => {
    const config = resolveConfig({});
    expect(config.rollout.tau).toBe(6);
    expect(config.rollout.maxSteps).toBe(5);
    expect(config.reward.rho).toBe(0.5);
    expect(config.ppo).toMatchObject({ clip: 0.2, klCoefficient: 0.1, targetKl: 0.2, ratio: 'token', whiten: false });
    expect(config.lora).toMatchObject({ rank: 8, alpha: 16 });
  });

  it('asks the oracle about mini and a judge model about anything else', () => {
    expect(resolveConfig({}).judge.kind).toBe('oracle');
    expect(resolveConfig({ questions: { train: 'x.parquet' } }).judge.kind).toBe('api');
    expect(resolveConfig({ questions: { train: 'x.parquet' }, judge: { kind: 'oracle' } }).judge.kind).toBe('oracle');
  });

  it('takes a local judge, and refuses settings that the judge’s kind has no use for, by name', () => {
    const local = { kind: 'local', model: 'judge.gguf' };
    expect(resolveConfig({ judge: local }).judge.model).toBe(path.resolve('judge.gguf'));
    expect(resolveConfig({ judge: { ...local, model: 'policy' } }).judge.model).toBe('policy');
    const settled = resolveConfig({ judge: { ...local, form: 'plain', contextSize: 2048 } });
    expect(resolveConfig(settled).judge).toEqual(settled.judge);
    expect(() => resolveConfig({ judge: local, rollout: { audit: 'cheap' } })).toThrow(/rollout\.audit: asks again/);
    expect(() => resolveConfig({ judge: { kind: 'local' } })).toThrow(/judge\.model: expected a GGUF file, or policy/);
    const foreign = { baseUrl: 'http://127.0.0.1:1/v1', timeoutMs: 1, maxRetries: 0, maxTokens: 9, maxCostUsd: 1 };
    const caps = { maxTotalTokens: 1, maxRequests: 1 };
    const price = { input: 0, output: 0 };
    for (const [key, value] of Object.entries({ ...foreign, ...caps, price })) {
      expect(() => resolveConfig({ judge: { ...local, [key]: value } })).toThrow(
        new RegExp(`judge\\.${key}: is a setting of judge\\.kind api`),
      );
    }
    for (const [key, value] of Object.entries({ form: 'plain', contextSize: 512, processThreshold: 0.7 })) {
      expect(() => resolveConfig({ judge: { kind: 'api', [key]: value } })).toThrow(
        new RegExp(`judge\\.${key}: is a setting of judge\\.kind local`),
      );
    }
    expect(() => resolveConfig({ ablate: { judges: [{ name: 'x', ...local, maxRetries: 0 }] } })).toThrow(
      /ablate\.judges\.0\.maxRetries/,
    );
  });

  it('lets later patches win, key by key', () => {
    const config = resolveConfig({ ppo: { epochs: 7, clip: 0.1 } }, patchFromAssignment('ppo.epochs=3'), {
      ppo: { epochs: undefined },
    });
    expect(config.ppo.epochs).toBe(3);
    expect(config.ppo.clip).toBe(0.1);
  });

  it('changes an entry of a list that is there, given or by default, and names one that is not', () => {
    const base = {
      tools: {
        mcp: [
          { name: 'a', command: 'one', args: ['x', 'y'] },
          { name: 'b', command: 'two' },
        ],
      },
    };
    const set = (...all: string[]) => resolveConfig(base, ...all.map(patchFromAssignment));
    const { mcp } = set('tools.mcp.0.command=other', 'tools.mcp[0].args[1]=z', 'tools.mcp[1].env.KEY=$KEY').tools;
    expect(mcp).toMatchObject([
      { name: 'a', command: 'other', args: ['x', 'z'], env: {} },
      { name: 'b', command: 'two', args: [], env: { KEY: '$KEY' } },
    ]);
    expect(base.tools.mcp[0]!.command).toBe('one');
    expect(set('tools.mcp=[]', 'ablate.tau.1=9').ablate.tau).toEqual([5, 9, 7]);
    expect(set('ablate.signal[0].rho=0.25').ablate.signal[0]).toMatchObject({ name: 'ppo-clip', rho: 0.25 });
    for (const [wrong, words] of [
      [
        'tools.mcp.2.command=x',
        "tools.mcp.2: expected an entry from 0 to 1, got '2'; to add one give the whole list: --set 'tools.mcp=[…]'",
      ],
      ['tools.mcp.a.command=x', "tools.mcp.a: expected an entry from 0 to 1, got 'a'"],
      ['tools.mcp.-1.command=x', 'tools.mcp.-1: expected an entry from 0 to 1'],
      ['tools.web.0.results=3', 'tools.web.0: expected a list with an entry, got an empty one'],
      [
        'tools.mcp.1.args.0=x',
        'tools.mcp.1.args: expected a list, got entry 0 of one that is not there; give the whole list',
      ],
      ['rollout.tau.0=3', 'rollout.tau: Invalid input: expected number, received object'],
      ['tools.mcp[].command=x', 'tools.mcp[].command: expected names with dots'],
      ['tools..mcp=x', 'tools..mcp: expected names with dots'],
      ['__proto__.seed=5', '__proto__: there is no such setting'],
      ['rollout.__proto__={tau: 1}', 'rollout.__proto__: there is no such setting'],
      ['rollout={__proto__: {tau: 1}}', 'rollout.__proto__: there is no such setting'],
    ] as const) {
      expect(() => set(wrong)).toThrow(words);
      expect(() => set(wrong)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
    }
    expect(() => set('tools.mcp.0.env.API_KEY=sk-a1b2c3d4e5f6g7h8i9')).toThrow(/holds secrets/);
  });

  it('has a critic with a trunk of its own unless asked for the actor’s', () => {
    expect(resolveConfig({}).ppo.criticTrunk).toBe('own');
    const { actionLoss, actionTemperature, baseline, entropyBonus } = resolveConfig({}).ppo;
    expect([actionLoss, actionTemperature, baseline, entropyBonus]).toEqual(['clip', null, 'value', 0]);
    const patches = ['ppo.actionLoss=judged', 'ppo.actionTemperature=0.3', 'ppo.entropyBonus=0.1'].map(
      patchFromAssignment,
    );
    expect(resolveConfig(...patches).ppo).toMatchObject({
      actionLoss: 'judged',
      actionTemperature: 0.3,
      entropyBonus: 0.1,
    });
    expect(() => resolveConfig({ ppo: { actionTemperature: 0, baseline: 'none', entropyBonus: -1 } })).toThrow(
      /ppo\.actionTemperature[\s\S]*ppo\.baseline[\s\S]*ppo\.entropyBonus/,
    );
    // What would not be used is refused.
    expect(() => resolveConfig({ ppo: { actionTemperature: 0.3 } })).toThrow(
      /ppo\.actionTemperature.*actionLoss: judged/,
    );
    expect(() => resolveConfig({ ppo: { actionLoss: 'judged', baseline: 'judged' } })).toThrow(/ppo\.baseline.*value/);
    expect(() => resolveConfig({ ppo: { valueCoefficient: 0.5 } })).toThrow(
      /ppo\.valueCoefficient.*criticTrunk: actor/,
    );
    const shared = resolveConfig(patchFromAssignment('ppo.criticTrunk=actor'), { ppo: { valueCoefficient: 0 } }).ppo;
    expect(shared).toMatchObject({ criticTrunk: 'actor', valueCoefficient: 0 });
    expect(() => resolveConfig({ ppo: { criticTrunk: 'base', valueCoefficient: -0.1 } })).toThrow(
      /ppo\.criticTrunk[\s\S]*ppo\.valueCoefficient/,
    );
  });

  it('wants a step before an answer in rollouts, none in evaluations, and never more than there may be', () => {
    expect(resolveConfig({}).rollout).toMatchObject({ minSteps: 1, example: true, answer: 'auto' });
    expect(resolveConfig({}).eval.minSteps).toBe(0);
    expect(resolveConfig({ rollout: { minSteps: 5 }, eval: { minSteps: 5 } }).rollout.minSteps).toBe(5);
    for (const section of ['rollout', 'eval']) {
      expect(() => resolveConfig({ [section]: { minSteps: 3 } }, { rollout: { maxSteps: 2 } })).toThrow(
        `${section}.minSteps: expected at most rollout.maxSteps (2), got 3`,
      );
    }
    expect(() => resolveConfig({ rollout: { minSteps: -1, answer: 'number', example: 'yes' } })).toThrow(
      /rollout\.minSteps[\s\S]*rollout\.answer[\s\S]*rollout\.example/,
    );
  });

  it('has as many questions under way as places, and as the judge keeps waiting; only places where nothing may move', () => {
    const under = (patch: ConfigPatch) => inFlightOf(resolveConfig(patch));
    expect(under({})).toBe(16 + 2 * 16);
    expect(under({ judge: { kind: 'api', concurrency: 5 }, inference: { sequences: 4 } })).toBe(14);
    expect(under({ generation: { inFlight: 3 } })).toBe(3);
    expect(under({ generation: { deterministic: true } })).toBe(16);
    expect(() => resolveConfig({ generation: { deterministic: true, inFlight: 17 } })).toThrow(
      /generation\.inFlight: with generation\.deterministic expected at most inference\.sequences \(16\), got 17/,
    );
  });

  it('names every wrong key', () => {
    expect(() => resolveConfig({ rollout: { tau: 11 }, ppo: { epoch: 3 } })).toThrow(/rollout\.tau[\s\S]*epoch/);
    expect(() => patchFromAssignment('ppo.epochs')).toThrow(/key=value/);
  });

  it.each(['apiKey', 'api-key', 'OPENAI_API_KEY', 'Authorization', 'password', 'x-token', 'client_secret', 'key'])(
    'refuses a key called %s in words of which redaction takes none',
    (name) => {
      const patch = patchFromAssignment(`judge.${name}=sk-a1b2c3d4e5f6g7h8i9`);
      expect(() => resolveConfig(patch)).toThrow(/holds secrets/);
      expect(() => resolveConfig(patch)).toThrow(`\n  judge.${name} has the name of a secret\n`);
      expect(() => resolveConfig(patch)).not.toThrow(/\*\*\*|sk-a1b2/);
    },
  );

  it('takes the name of a variable for a secret of an MCP server, and nothing else', () => {
    const resolved = (more: object) => resolveConfig({ tools: { mcp: [{ name: 'a', ...more }] } }).tools.mcp[0]!;
    const headers = { Authorization: 'Bearer $SPARK_TOKEN', 'X-Api-Key': '$SPARK_KEY', 'X-Region': 'north' };
    expect(resolved({ url: 'http://a/mcp', headers })).toMatchObject({ headers, cwd: null });
    const env = { API_KEY: '$SPARK_KEY', MODE: 'quiet' };
    expect(resolved({ command: 'x', env, cwd: 'sub' })).toMatchObject({ env, cwd: path.resolve('sub') });
    const refused = /tools\.mcp\.0\.(?:headers\.Authorization|env\.API_KEY) has the name of a secret/;
    for (const text of ['Bearer marked-1234-secret', 'marked-1234-secret', 'marked-1234-$SPARK_TOKEN']) {
      for (const more of [
        { url: 'http://a', headers: { Authorization: text } },
        { command: 'x', env: { API_KEY: text } },
      ]) {
        expect(() => resolved(more)).toThrow(refused);
        expect(() => resolved(more)).not.toThrow(/marked-1234/);
      }
    }
    expect(() => resolved({ url: 'http://user:marked-1234@a' })).toThrow(/mcp\.0\.url holds a name, password or key/);
    // Elsewhere a dollar does not make a secret harmless.
    expect(() => resolveConfig({ judge: { apiKey: '$SPARK_KEY' } })).toThrow(/judge\.apiKey has the name of a secret/);
  });

  it('reads the shipped configurations by name', async () => {
    for (const name of ['quickstart', 'paper', 'paper-tools']) {
      expect(resolveConfig(await readConfigFile(name)).name).toBe(name);
    }
    // A default that changes must not change a reproduction: what the paper gives is in the file itself.
    expect(await readConfigFile('paper')).toMatchObject({
      questions: { trainLimit: 2500 },
      judge: { model: 'gpt-4o' },
      rollout: { selection: 'min-score', tau: 6, maxSteps: 5 },
      lora: { rank: 8 },
      ppo: { clip: 0.2, targetKl: 0.2, actionLoss: 'clip', baseline: 'value', criticTrunk: 'own', entropyBonus: 0 },
    });
    // The paper's tools change nothing but the tools.
    const { tools: theirs, ...alike } = await readConfigFile('paper-tools');
    const { tools: _ours, ...paper } = await readConfigFile('paper');
    expect(alike).toEqual({ ...paper, name: 'paper-tools' });
    const { enabled, names, web, maxObservationChars } = resolveConfig({ tools: theirs }).tools;
    expect(web.map(({ name, engine }) => [name, engine])).toEqual([
      ['search', 'brave'],
      ['semantic_scholar', 'semanticScholar'],
      ['wikipedia', 'wikipedia'],
      ['wolfram_alpha', 'wolframAlpha'],
    ]);
    expect({ enabled, names, maxObservationChars }).toEqual({
      enabled: ['calculator', 'python', 'encyclopedia'],
      names: { python: 'python_repl', encyclopedia: 'static_kb' },
      maxObservationChars: 2000,
    });
    await expect(readConfigFile('no-such-config')).rejects.toMatchObject({ code: 'invalid_config' });
  });
});
