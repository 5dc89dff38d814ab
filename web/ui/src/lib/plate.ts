import type { PlateRead } from './types';

/** As people write it; a question mark where the engine is not sure. */
export function plateText(plate: PlateRead | null): string {
  if (!plate) return '–';
  const text = plate.display || plate.text;
  return plate.sure ? text : `${text} ?`;
}
