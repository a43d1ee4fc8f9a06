/** A small trajectory with every kind of segment, for tests of samples and training. */
import type { Segment, SegmentKind, Step, Trajectory } from '../../../src/trajectory/trajectory.js';

type Piece = readonly [kind: SegmentKind, step: number, length: number];

/** A trajectory of tokens 1, 2, 3, … divided into the given pieces; a step starts at its first piece. */
export function exampleTrajectory(
  pieces: readonly Piece[],
  steps: readonly Partial<Step>[],
  more: Partial<Trajectory> = {},
): Trajectory {
  let at = 0;
  const segments: Segment[] = pieces.map(([kind, step, length]) => {
    at += length;
    return { kind, step, start: at - length, end: at };
  });
  return {
    id: '7:min-score-tau6:0',
    questionId: 7,
    category: 'math',
    selection: 'min-score',
    tau: 6,
    generator: 'test',
    judge: 'test',
    seed: 1,
    steps: steps.map((step, index) => ({
      index,
      stateEnd: segments.find((segment) => segment.step === index)!.start,
      thought: 'thought',
      scores: { calculator: 9, python: 7, think: 4 },
      action: 'python',
      choice: 'viable',
      input: '1+1',
      observation: '2',
      toolError: null,
      truncated: false,
      processOk: true,
      ...step,
    })),
    answerText: 'The answer is (C).',
    answer: 'C',
    correct: true,
    end: 'answered',
    tokens: Array.from({ length: at }, (_, index) => index + 1),
    segments,
    ...more,
  };
}

/** One step: thought 3, template 1, action 2, template 1, input 2, observation 4 tokens. */
export function stepPieces(step: number): Piece[] {
  return [
    ['thought', step, 3],
    ['template', step, 1],
    ['action', step, 2],
    ['template', step, 1],
    ['input', step, 2],
    ['observation', step, 4],
  ];
}

export const TWO_STEPS: readonly Piece[] = [['prompt', -1, 5], ...stepPieces(0), ...stepPieces(1), ['answer', -1, 3]];
