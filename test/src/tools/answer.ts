import type { Evaluate } from '../../../src/tools/hostProtocol.js';

/** What a tool answers in this process, or `refused: ` and why. */
export const answering =
  (tool: Evaluate) =>
  (input: string): string => {
    try {
      return String(tool(input, 400));
    } catch (error) {
      return `refused: ${(error as Error).message}`;
    }
  };
