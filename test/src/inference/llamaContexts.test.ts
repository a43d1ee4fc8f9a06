import type { LlamaModel } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import { createLanes, sharedLlama } from '../../../src/inference/llamaContexts.js';

describe('inference.gpu', () => {
  it('true is refused where llama.cpp finds no GPU; auto then takes the CPU', async () => {
    const { gpu } = await sharedLlama('auto');
    const wanted = sharedLlama(true);
    if (gpu !== false) expect((await wanted).gpu).toBe(gpu);
    else {
      await expect(wanted).rejects.toMatchObject({
        code: 'backend_unavailable',
        message: expect.stringMatching(/inference\.gpu is true.*got none.*auto/),
      });
    }
  });

  it('auto without a GPU has the threads and contexts of the CPU', async () => {
    const made: { threads: number }[] = [];
    const createContext = async (options: { threads: number }) => {
      made.push(options);
      return options;
    };
    const model = (gpu: false | 'cuda') =>
      ({ llama: { gpu }, fileInsights: {}, createContext }) as unknown as LlamaModel;
    const options = { modelPath: 'm.gguf', gpu: 'auto', threads: 4, sequences: 4 } as const;
    await createLanes(model(false), options, 64, 20e6);
    expect(made.map(({ threads }) => threads)).toEqual([1, 1]);
    made.length = 0;
    await createLanes(model('cuda'), options, 64, 20e6);
    expect(made.map(({ threads }) => threads)).toEqual([4]);
  });
});
