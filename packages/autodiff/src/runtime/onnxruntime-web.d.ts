/** The optional peer dependency has the interface of onnxruntime-common; its 140 MB need not be installed to compile this. */
declare module 'onnxruntime-web/*' {
  export * from 'onnxruntime-common';
}
