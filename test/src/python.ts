/** The Python whose packages some tests compare with; without them those tests are skipped, and say so. */
import { execFileSync } from 'node:child_process';

export const PYTHON = process.env.PYTHON ?? 'python3';

export function pythonHas(module: string): boolean {
  try {
    execFileSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn(
      `skipping tests that need the Python package ${module}: ${PYTHON} does not have it (pip install -r ` +
        'test/requirements.txt; PYTHON names another Python)',
    );
    return false;
  }
}
