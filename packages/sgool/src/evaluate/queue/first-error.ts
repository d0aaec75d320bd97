/** @file What went wrong with a connection, of a host that has several addresses. */

/** The error of the first address, which stands for all. */
export const firstError = (error: unknown): Error & { readonly code?: string } =>
  error instanceof AggregateError ? (error.errors[0] ?? error) : (error as Error);
