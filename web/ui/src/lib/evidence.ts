import type { Violation } from './types';

export const MOMENTS = ['before', 'act', 'after'] as const;
export type MomentName = (typeof MOMENTS)[number];

const PICTURE = /\.(jpe?g|png)$/i;

/** Which file of the package shows which moment: by the word in its name. */
export function stills(violation: Violation): Record<MomentName, string | null> {
  const pictures = violation.evidence?.files.filter((file) => PICTURE.test(file)) ?? [];
  const find = (moment: MomentName) =>
    pictures.find((file) => file.toLowerCase().split(/[^a-z]+/).includes(moment)) ?? null;
  return { before: find('before'), act: find('act'), after: find('after') };
}

export function clip(violation: Violation): string | null {
  return violation.evidence?.files.find((file) => file.toLowerCase().endsWith('.mp4')) ?? null;
}
