/** @file Floor 1: pictures. */

export { heatColour, mix } from './colour.ts';
export {
  arrangeImages,
  type Box,
  type BoxOptions,
  drawBoxes,
  drawText,
  type HeatMapOptions,
  overlayHeatMap,
  type SheetOptions,
  type TextOptions,
} from './draw.ts';
export {
  type Colour,
  createImage,
  type Image,
  imageFromPlanes,
  planesFromImage,
  type ValueRange,
} from './image.ts';
export {
  LETTERBOX_FILL,
  type LetterboxMatrices,
  letterboxBorder,
  letterboxMatrices,
  letterboxPlacement,
  letterboxPlanes,
  type Placement,
  type Size,
  TRANSALNET_CANVAS,
  undoLetterbox,
  undoLetterboxMatrices,
} from './letterbox.ts';
export {
  formatParameters,
  type GenerationParameters,
  PARAMETERS_KEYWORD,
  parseParameters,
  SGOOL_KEYWORD,
} from './parameters.ts';
export { resampleLevels } from './pillow.ts';
export { encodePng } from './png.ts';
export { readPngText } from './png-text.ts';
export { decodeImage, MAX_PIXELS, readImage } from './read-image.ts';
export {
  adaptiveAveragePoolMatrix,
  bilinearMatrix,
  type ResampleFilter,
  type ResampleOptions,
  resampleMatrix,
  resamplePlane,
  type Span,
} from './resample.ts';
export { resizeImage } from './resize.ts';
